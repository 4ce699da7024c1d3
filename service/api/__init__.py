"""gRPC in. The only package, with app, that knows gRPC and protobuf."""
