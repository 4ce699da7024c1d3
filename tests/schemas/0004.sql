-- agent.status.changed and others, by 0004_credentials_sealing_audit, at 1795898834901
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'tidings','0001_first_tables','2026-11-28 20:47:13.695069+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'tidings','0002_filters_rotation_schemas_replays_changes','2026-11-28 20:47:13.702965+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'tidings','0003_lanes_retention','2026-11-28 20:47:13.708762+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'tidings','0004_credentials_sealing_audit','2026-11-28 20:47:13.717381+00:00');
CREATE TABLE announcements (
        id TEXT NOT NULL PRIMARY KEY,
        workspace TEXT NOT NULL,
        event_type TEXT NOT NULL,
        subject TEXT NOT NULL,
        payload TEXT NOT NULL,
        create_time BIGINT NOT NULL
    );
CREATE TABLE attempts (
        notification_id TEXT NOT NULL REFERENCES notifications (id),
        attempt_number BIGINT NOT NULL,
        outcome TEXT NOT NULL,
        start_time BIGINT NOT NULL,
        duration BIGINT NOT NULL,
        http_status BIGINT,
        response_headers TEXT NOT NULL,
        response_body BYTEA NOT NULL,
        response_truncated BIGINT NOT NULL,
        error TEXT NOT NULL,
        remote_address TEXT NOT NULL,
        signing_key_ids TEXT NOT NULL,
        PRIMARY KEY (notification_id, attempt_number)
    );
INSERT INTO "attempts" VALUES('01a223e9-7c08-7450-b293-80331f7ef978',1,'SUCCEEDED',1795898833934,8,204,'[["Date","Sat, 28 Nov 2026 20:47:13 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:34249','["01a223e9-7bf2-7045-9fa4-a0f9e8ca2fe8"]');
INSERT INTO "attempts" VALUES('01a223e9-7c08-7452-b6c5-2492788432d5',1,'REJECTED',1795898833935,7,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:47:13 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:34249','["01a223e9-7bfd-730a-99d3-0ac773237476"]');
INSERT INTO "attempts" VALUES('01a223e9-7c08-7454-8c71-162c9d573da8',1,'SUCCEEDED',1795898833936,7,204,'[["Date","Sat, 28 Nov 2026 20:47:13 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:34249','["01a223e9-7c04-7542-b74c-3e26ba13f5d4"]');
INSERT INTO "attempts" VALUES('01a223e9-7c08-7451-83e1-85464ff6086c',1,'REJECTED',1795898833936,6,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:47:13 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:34249','["01a223e9-7bf9-7345-b813-4148c31878c5"]');
INSERT INTO "attempts" VALUES('01a223e9-7c08-7453-ba0d-0ff3584b1302',1,'GONE',1795898833936,6,410,'[["Content-Length","0"],["Date","Sat, 28 Nov 2026 20:47:13 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'the receiver answered 410: it wants nothing more','127.0.0.1:34249','["01a223e9-7c00-7754-b6a8-7c19e6b5d796"]');
INSERT INTO "attempts" VALUES('01a223e9-7c08-7452-b6c5-2492788432d5',2,'REJECTED',1795898834037,2,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:47:14 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:34249','["01a223e9-7bfd-730a-99d3-0ac773237476"]');
INSERT INTO "attempts" VALUES('01a223e9-7c96-71bd-b0de-9581219a7562',1,'REJECTED',1795898834078,2,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:47:14 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:34249','["01a223e9-7bf9-7345-b813-4148c31878c5"]');
INSERT INTO "attempts" VALUES('01a223e9-7c96-71be-8aaf-ce0be5ad20b5',1,'REJECTED',1795898834079,2,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:47:14 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:34249','["01a223e9-7bfd-730a-99d3-0ac773237476"]');
INSERT INTO "attempts" VALUES('01a223e9-7c96-71bc-8097-342777d17c4e',1,'SUCCEEDED',1795898834080,3,204,'[["Date","Sat, 28 Nov 2026 20:47:14 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:34249','["01a223e9-7bf2-7045-9fa4-a0f9e8ca2fe8"]');
INSERT INTO "attempts" VALUES('01a223e9-7c96-71be-8aaf-ce0be5ad20b5',2,'REJECTED',1795898834200,2,500,'[["Content-Type","text/plain; charset=utf-8"],["Content-Length","9"],["Date","Sat, 28 Nov 2026 20:47:14 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'6E6F7420746F646179',0,'the receiver answered 500','127.0.0.1:34249','["01a223e9-7bfd-730a-99d3-0ac773237476"]');
INSERT INTO "attempts" VALUES('01a223e9-7d41-759f-bba7-eff285a92769',1,'SUCCEEDED',1795898834250,2,204,'[["Date","Sat, 28 Nov 2026 20:47:14 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:34249','["01a223e9-7d34-74fe-adb5-e1a4ace00cca"]');
INSERT INTO "attempts" VALUES('01a223e9-7d5c-7423-bbea-bda4d6a0bd16',1,'SUCCEEDED',1795898834277,2,204,'[["Date","Sat, 28 Nov 2026 20:47:14 GMT"],["Server","Python/3.11 aiohttp/3.14.5"]]',X'',0,'','127.0.0.1:34249','["01a223e9-7d39-75a6-b1af-0376b01b3b0b","01a223e9-7bf2-7045-9fa4-a0f9e8ca2fe8"]');
CREATE TABLE audit_log (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        time BIGINT NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        workspace TEXT NOT NULL,
        resource TEXT NOT NULL,
        request_id TEXT NOT NULL,
        call_id TEXT NOT NULL,
        before TEXT,
        after TEXT
    );
INSERT INTO "audit_log" VALUES(1,1795898833897,'development','CreateEventType','','eventTypes/agent.status.changed','','01a223e9-7be8-720e-8ca7-60dcbcee151f',NULL,'{"name":"eventTypes/agent.status.changed","display_name":"agent.status.changed","description":"","service":"","category":null,"code":null,"json_schema":"","schema_enforcement":"REJECT","examples":[],"attribute_keys":[],"deprecated":false,"create_time":"2026-11-28T20:47:13.897Z"}');
INSERT INTO "audit_log" VALUES(2,1795898833904,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/ok','','01a223e9-7bf0-777e-8151-8e7b89f8be33',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/ok","uid":"01a223e9-7bf2-7044-8876-68e16d7d6e3d","display_name":"Subscription ok","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-7bf2-7045-9fa4-a0f9e8ca2fe8","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:47:13.904Z","expire_time":null}],"create_time":"2026-11-28T20:47:13.904Z"}');
INSERT INTO "audit_log" VALUES(3,1795898833913,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/failing','','01a223e9-7bf8-75ae-bb1d-b822f0cd9152',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/failing","uid":"01a223e9-7bf9-7344-bd2f-758e3de9b03d","display_name":"Subscription failing","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":{"schedule_s":[3600.0,3600.0],"attempt_timeout_s":15.0,"max_age_s":null},"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-7bf9-7345-b813-4148c31878c5","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:47:13.913Z","expire_time":null}],"create_time":"2026-11-28T20:47:13.913Z"}');
INSERT INTO "audit_log" VALUES(4,1795898833917,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/exhausted','','01a223e9-7bfd-7308-a34a-ee91c6956b7a',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/exhausted","uid":"01a223e9-7bfd-7309-b4c6-8fc26a5ecc6c","display_name":"Subscription exhausted","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":{"schedule_s":[0.1],"attempt_timeout_s":15.0,"max_age_s":null},"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-7bfd-730a-99d3-0ac773237476","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:47:13.917Z","expire_time":null}],"create_time":"2026-11-28T20:47:13.917Z"}');
INSERT INTO "audit_log" VALUES(5,1795898833920,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/gone','','01a223e9-7c00-7752-a5c3-5f0eaea5d1d0',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/gone","uid":"01a223e9-7c00-7753-bf34-7e4afa60f4f6","display_name":"Subscription gone","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-7c00-7754-b6a8-7c19e6b5d796","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:47:13.920Z","expire_time":null}],"create_time":"2026-11-28T20:47:13.920Z"}');
INSERT INTO "audit_log" VALUES(6,1795898833923,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/deleted','','01a223e9-7c03-7054-8ef6-bac26cd8efd2',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/deleted","uid":"01a223e9-7c04-7541-8015-27a5f5e60115","display_name":"Subscription deleted","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-7c04-7542-b74c-3e26ba13f5d4","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:47:13.923Z","expire_time":null}],"create_time":"2026-11-28T20:47:13.923Z"}');
INSERT INTO "audit_log" VALUES(7,1795898833942,'server','SuspendSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/gone','','','{"name":"organizations/acme/workspaces/main/subscriptions/gone","uid":"01a223e9-7c00-7753-bf34-7e4afa60f4f6","display_name":"Subscription gone","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-7c00-7754-b6a8-7c19e6b5d796","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:47:13.920Z","expire_time":null}],"create_time":"2026-11-28T20:47:13.920Z"}','{"name":"organizations/acme/workspaces/main/subscriptions/gone","uid":"01a223e9-7c00-7753-bf34-7e4afa60f4f6","display_name":"Subscription gone","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"SUSPENDED","state_reason":"GONE","signing_keys":[{"key_id":"01a223e9-7c00-7754-b6a8-7c19e6b5d796","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:47:13.920Z","expire_time":null}],"create_time":"2026-11-28T20:47:13.920Z"}');
INSERT INTO "audit_log" VALUES(8,1795898834062,'development','DeleteSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/deleted','','01a223e9-7c8e-75e3-8294-0d27b4459cd5','{"name":"organizations/acme/workspaces/main/subscriptions/deleted","uid":"01a223e9-7c04-7541-8015-27a5f5e60115","display_name":"Subscription deleted","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-7c04-7542-b74c-3e26ba13f5d4","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:47:13.923Z","expire_time":null}],"create_time":"2026-11-28T20:47:13.923Z"}',NULL);
INSERT INTO "audit_log" VALUES(9,1795898834228,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/listener','','01a223e9-7d2f-75b9-96e9-89adb910b0f8',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/listener","uid":"01a223e9-7d34-74fd-82fc-5cbab213db6e","display_name":"Subscription listener","url":"http://127.0.0.1:8080/[redacted]","event_types":["tidings.*"],"attribute_filters":{},"filter":"event.type.startsWith(''tidings.'')","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":{"header":"X-API-Key","value":"[redacted]"},"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-7d34-74fe-adb5-e1a4ace00cca","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:47:14.228Z","expire_time":null}],"create_time":"2026-11-28T20:47:14.228Z"}');
INSERT INTO "audit_log" VALUES(10,1795898834232,'development','RotateSigningKey','acme/main','organizations/acme/workspaces/main/subscriptions/ok','rotation-1','01a223e9-7d38-7249-8f4d-0ef44293ffa0','{"name":"organizations/acme/workspaces/main/subscriptions/ok","uid":"01a223e9-7bf2-7044-8876-68e16d7d6e3d","display_name":"Subscription ok","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-7bf2-7045-9fa4-a0f9e8ca2fe8","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:47:13.904Z","expire_time":null}],"create_time":"2026-11-28T20:47:13.904Z"}','{"name":"organizations/acme/workspaces/main/subscriptions/ok","uid":"01a223e9-7bf2-7044-8876-68e16d7d6e3d","display_name":"Subscription ok","url":"http://127.0.0.1:8080/[redacted]","event_types":["agent.status.changed"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-7d39-75a6-b1af-0376b01b3b0b","scheme":"STANDARD_WEBHOOKS","hint":"9E4=","create_time":"2026-11-28T20:47:14.232Z","expire_time":null},{"key_id":"01a223e9-7bf2-7045-9fa4-a0f9e8ca2fe8","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:47:13.904Z","expire_time":"2026-11-29T20:47:14.232Z"}],"create_time":"2026-11-28T20:47:13.904Z"}');
INSERT INTO "audit_log" VALUES(11,1795898834245,'development','CancelNotification','acme/main','organizations/acme/workspaces/main/notifications/01a223e9-7c96-71bd-b0de-9581219a7562','','01a223e9-7d45-7161-aef5-25bdc3c180ff','{"name":"organizations/acme/workspaces/main/notifications/01a223e9-7c96-71bd-b0de-9581219a7562","event":"organizations/acme/workspaces/main/events/01a223e9-7c92-76c1-8eb6-4b376d19ea6a","subscription":"organizations/acme/workspaces/main/subscriptions/failing","event_type":"agent.status.changed","state":"PENDING","attempt_count":1,"next_attempt_time":"2026-11-28T21:43:39.103Z","replay":null,"create_time":"2026-11-28T20:47:14.070Z","complete_time":null,"failure_reason":null}','{"name":"organizations/acme/workspaces/main/notifications/01a223e9-7c96-71bd-b0de-9581219a7562","event":"organizations/acme/workspaces/main/events/01a223e9-7c92-76c1-8eb6-4b376d19ea6a","subscription":"organizations/acme/workspaces/main/subscriptions/failing","event_type":"agent.status.changed","state":"CANCELLED","attempt_count":1,"next_attempt_time":null,"replay":null,"create_time":"2026-11-28T20:47:14.070Z","complete_time":"2026-11-28T20:47:14.245Z","failure_reason":null}');
INSERT INTO "audit_log" VALUES(12,1795898834254,'development','CreateReplay','acme/main','organizations/acme/workspaces/main/subscriptions/ok/replays/01a223e9-7d4e-7090-a705-e3af8a460021','','01a223e9-7d4d-7370-818a-5e64b1fd7739',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/ok/replays/01a223e9-7d4e-7090-a705-e3af8a460021","start_time":"1970-01-01T00:00:00.000Z","end_time":"2026-11-28T20:47:14.254Z","states":[],"include_unmatched":false,"max_rate_per_second":0.01,"state":"RUNNING","examined_count":0,"created_count":0,"create_time":"2026-11-28T20:47:14.254Z","complete_time":null}');
INSERT INTO "audit_log" VALUES(13,1795898834265,'development','CreateEventType','','eventTypes/hanging.one','','01a223e9-7d58-7525-9f47-f068613f542c',NULL,'{"name":"eventTypes/hanging.one","display_name":"hanging.one","description":"","service":"","category":null,"code":null,"json_schema":"","schema_enforcement":"REJECT","examples":[],"attribute_keys":[],"deprecated":false,"create_time":"2026-11-28T20:47:14.265Z"}');
INSERT INTO "audit_log" VALUES(14,1795898834269,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/hanging','','01a223e9-7d5d-71ac-8f94-9aac0a51d78e',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/hanging","uid":"01a223e9-7d5d-71ad-97d6-1e476a83de94","display_name":"Subscription hanging","url":"http://127.0.0.1:8080/[redacted]","event_types":["hanging.one"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-7d5d-71ae-8b30-dbba368f29ae","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:47:14.269Z","expire_time":null}],"create_time":"2026-11-28T20:47:14.269Z"}');
INSERT INTO "audit_log" VALUES(15,1795898834293,'development','CreateEventType','','eventTypes/paused.one','','01a223e9-7d75-7152-889e-f91b9dec7e6c',NULL,'{"name":"eventTypes/paused.one","display_name":"paused.one","description":"","service":"","category":null,"code":null,"json_schema":"","schema_enforcement":"REJECT","examples":[],"attribute_keys":[],"deprecated":false,"create_time":"2026-11-28T20:47:14.293Z"}');
INSERT INTO "audit_log" VALUES(16,1795898834309,'development','CreateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/paused','','01a223e9-7d84-75c8-9aa6-758908df6afd',NULL,'{"name":"organizations/acme/workspaces/main/subscriptions/paused","uid":"01a223e9-7d85-7143-805a-5ab85d6e1dcc","display_name":"Subscription paused","url":"http://127.0.0.1:8080/[redacted]","event_types":["paused.one"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-7d86-7535-9245-485b83d1f08d","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:47:14.309Z","expire_time":null}],"create_time":"2026-11-28T20:47:14.309Z"}');
INSERT INTO "audit_log" VALUES(17,1795898834350,'development','UpdateSubscription','acme/main','organizations/acme/workspaces/main/subscriptions/paused','','01a223e9-7dad-7652-b0cb-cd47b08356c5','{"name":"organizations/acme/workspaces/main/subscriptions/paused","uid":"01a223e9-7d85-7143-805a-5ab85d6e1dcc","display_name":"Subscription paused","url":"http://127.0.0.1:8080/[redacted]","event_types":["paused.one"],"attribute_filters":{},"filter":"","enabled":true,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"ACTIVE","state_reason":"","signing_keys":[{"key_id":"01a223e9-7d86-7535-9245-485b83d1f08d","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:47:14.309Z","expire_time":null}],"create_time":"2026-11-28T20:47:14.309Z"}','{"name":"organizations/acme/workspaces/main/subscriptions/paused","uid":"01a223e9-7d85-7143-805a-5ab85d6e1dcc","display_name":"Subscription paused","url":"http://127.0.0.1:8080/[redacted]","event_types":["paused.one"],"attribute_filters":{},"filter":"","enabled":false,"format":"STANDARD_WEBHOOKS","signature_scheme":"STANDARD_WEBHOOKS","api_key":null,"headers":{},"retry_policy":null,"max_concurrency":null,"max_rate_per_second":null,"annotations":{},"state":"DISABLED","state_reason":"","signing_keys":[{"key_id":"01a223e9-7d86-7535-9245-485b83d1f08d","scheme":"STANDARD_WEBHOOKS","hint":"a2s=","create_time":"2026-11-28T20:47:14.309Z","expire_time":null}],"create_time":"2026-11-28T20:47:14.309Z"}');
CREATE TABLE change_horizon (id BIGINT NOT NULL PRIMARY KEY, number BIGINT NOT NULL);
INSERT INTO "change_horizon" VALUES(1,0);
CREATE TABLE changes (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        workspace TEXT NOT NULL,
        notification_id TEXT NOT NULL,
        subscription_uid TEXT NOT NULL,
        state TEXT NOT NULL,
        attempt_count BIGINT NOT NULL,
        next_attempt_time BIGINT,
        complete_time BIGINT,
        failure_reason TEXT,
        attempt_number BIGINT,
        create_time BIGINT NOT NULL
    );
INSERT INTO "changes" VALUES(1,'acme/main','01a223e9-7c08-7450-b293-80331f7ef978','01a223e9-7bf2-7044-8876-68e16d7d6e3d','PENDING',0,1795898833928,NULL,NULL,NULL,1795898833928);
INSERT INTO "changes" VALUES(2,'acme/main','01a223e9-7c08-7451-83e1-85464ff6086c','01a223e9-7bf9-7344-bd2f-758e3de9b03d','PENDING',0,1795898833928,NULL,NULL,NULL,1795898833928);
INSERT INTO "changes" VALUES(3,'acme/main','01a223e9-7c08-7452-b6c5-2492788432d5','01a223e9-7bfd-7309-b4c6-8fc26a5ecc6c','PENDING',0,1795898833928,NULL,NULL,NULL,1795898833928);
INSERT INTO "changes" VALUES(4,'acme/main','01a223e9-7c08-7453-ba0d-0ff3584b1302','01a223e9-7c00-7753-bf34-7e4afa60f4f6','PENDING',0,1795898833928,NULL,NULL,NULL,1795898833928);
INSERT INTO "changes" VALUES(5,'acme/main','01a223e9-7c08-7454-8c71-162c9d573da8','01a223e9-7c04-7541-8015-27a5f5e60115','PENDING',0,1795898833928,NULL,NULL,NULL,1795898833928);
INSERT INTO "changes" VALUES(6,'acme/main','01a223e9-7c08-7450-b293-80331f7ef978','01a223e9-7bf2-7044-8876-68e16d7d6e3d','SUCCEEDED',1,NULL,1795898833942,NULL,1,1795898833942);
INSERT INTO "changes" VALUES(7,'acme/main','01a223e9-7c08-7452-b6c5-2492788432d5','01a223e9-7bfd-7309-b4c6-8fc26a5ecc6c','PENDING',1,1795898834033,NULL,NULL,1,1795898833942);
INSERT INTO "changes" VALUES(8,'acme/main','01a223e9-7c08-7454-8c71-162c9d573da8','01a223e9-7c04-7541-8015-27a5f5e60115','SUCCEEDED',1,NULL,1795898833942,NULL,1,1795898833942);
INSERT INTO "changes" VALUES(9,'acme/main','01a223e9-7c08-7451-83e1-85464ff6086c','01a223e9-7bf9-7344-bd2f-758e3de9b03d','PENDING',1,1795902112376,NULL,NULL,1,1795898833942);
INSERT INTO "changes" VALUES(10,'acme/main','01a223e9-7c08-7453-ba0d-0ff3584b1302','01a223e9-7c00-7753-bf34-7e4afa60f4f6','FAILED',1,NULL,1795898833942,'GONE',1,1795898833942);
INSERT INTO "changes" VALUES(11,'acme/main','01a223e9-7c08-7452-b6c5-2492788432d5','01a223e9-7bfd-7309-b4c6-8fc26a5ecc6c','FAILED',2,NULL,1795898834038,'ATTEMPTS_EXHAUSTED',2,1795898834038);
INSERT INTO "changes" VALUES(12,'acme/main','01a223e9-7c96-71bc-8097-342777d17c4e','01a223e9-7bf2-7044-8876-68e16d7d6e3d','PENDING',0,1795898834070,NULL,NULL,NULL,1795898834070);
INSERT INTO "changes" VALUES(13,'acme/main','01a223e9-7c96-71bd-b0de-9581219a7562','01a223e9-7bf9-7344-bd2f-758e3de9b03d','PENDING',0,1795898834070,NULL,NULL,NULL,1795898834070);
INSERT INTO "changes" VALUES(14,'acme/main','01a223e9-7c96-71be-8aaf-ce0be5ad20b5','01a223e9-7bfd-7309-b4c6-8fc26a5ecc6c','PENDING',0,1795898834070,NULL,NULL,NULL,1795898834070);
INSERT INTO "changes" VALUES(15,'acme/main','01a223e9-7c96-71bf-9cd8-f4733f73519c','01a223e9-7c00-7753-bf34-7e4afa60f4f6','PENDING',0,1795898834070,NULL,NULL,NULL,1795898834070);
INSERT INTO "changes" VALUES(16,'acme/main','01a223e9-7c96-71bd-b0de-9581219a7562','01a223e9-7bf9-7344-bd2f-758e3de9b03d','PENDING',1,1795902219103,NULL,NULL,1,1795898834080);
INSERT INTO "changes" VALUES(17,'acme/main','01a223e9-7c96-71be-8aaf-ce0be5ad20b5','01a223e9-7bfd-7309-b4c6-8fc26a5ecc6c','PENDING',1,1795898834197,NULL,NULL,1,1795898834089);
INSERT INTO "changes" VALUES(18,'acme/main','01a223e9-7c96-71bc-8097-342777d17c4e','01a223e9-7bf2-7044-8876-68e16d7d6e3d','SUCCEEDED',1,NULL,1795898834089,NULL,1,1795898834089);
INSERT INTO "changes" VALUES(19,'acme/main','01a223e9-7c96-71be-8aaf-ce0be5ad20b5','01a223e9-7bfd-7309-b4c6-8fc26a5ecc6c','FAILED',2,NULL,1795898834201,'ATTEMPTS_EXHAUSTED',2,1795898834201);
INSERT INTO "changes" VALUES(20,'acme/main','01a223e9-7d41-759f-bba7-eff285a92769','01a223e9-7d34-74fd-82fc-5cbab213db6e','PENDING',0,1795898834241,NULL,NULL,NULL,1795898834241);
INSERT INTO "changes" VALUES(21,'acme/main','01a223e9-7c96-71bd-b0de-9581219a7562','01a223e9-7bf9-7344-bd2f-758e3de9b03d','CANCELLED',1,NULL,1795898834245,NULL,NULL,1795898834245);
INSERT INTO "changes" VALUES(22,'acme/main','01a223e9-7d41-759f-bba7-eff285a92769','01a223e9-7d34-74fd-82fc-5cbab213db6e','SUCCEEDED',1,NULL,1795898834253,NULL,1,1795898834253);
INSERT INTO "changes" VALUES(23,'acme/main','01a223e9-7d5c-7423-bbea-bda4d6a0bd16','01a223e9-7bf2-7044-8876-68e16d7d6e3d','PENDING',0,1795898834268,NULL,NULL,NULL,1795898834268);
INSERT INTO "changes" VALUES(24,'acme/main','01a223e9-7d5c-7423-bbea-bda4d6a0bd16','01a223e9-7bf2-7044-8876-68e16d7d6e3d','SUCCEEDED',1,NULL,1795898834279,NULL,1,1795898834279);
INSERT INTO "changes" VALUES(25,'acme/main','01a223e9-7d6e-7157-8c82-d1da696b2caa','01a223e9-7d5d-71ad-97d6-1e476a83de94','PENDING',0,1795898834286,NULL,NULL,NULL,1795898834286);
INSERT INTO "changes" VALUES(26,'acme/main','01a223e9-7d6e-7158-aa95-ae0003364460','01a223e9-7d5d-71ad-97d6-1e476a83de94','PENDING',0,1795898834286,NULL,NULL,NULL,1795898834286);
INSERT INTO "changes" VALUES(27,'acme/main','01a223e9-7d6e-7159-91c5-964febf416be','01a223e9-7d5d-71ad-97d6-1e476a83de94','PENDING',0,1795898834286,NULL,NULL,NULL,1795898834286);
INSERT INTO "changes" VALUES(28,'acme/main','01a223e9-7d6e-715a-af36-868a8cc64ff5','01a223e9-7d5d-71ad-97d6-1e476a83de94','PENDING',0,1795898834286,NULL,NULL,NULL,1795898834286);
INSERT INTO "changes" VALUES(29,'acme/main','01a223e9-7d6e-715b-ad32-3be371a265bf','01a223e9-7d5d-71ad-97d6-1e476a83de94','PENDING',0,1795898834286,NULL,NULL,NULL,1795898834286);
INSERT INTO "changes" VALUES(30,'acme/main','01a223e9-7d6e-715c-bafe-a57a42d5c92e','01a223e9-7d5d-71ad-97d6-1e476a83de94','PENDING',0,1795898834286,NULL,NULL,NULL,1795898834286);
INSERT INTO "changes" VALUES(31,'acme/main','01a223e9-7d6e-715d-b1b6-0f3b9456421d','01a223e9-7d5d-71ad-97d6-1e476a83de94','PENDING',0,1795898834286,NULL,NULL,NULL,1795898834286);
INSERT INTO "changes" VALUES(32,'acme/main','01a223e9-7d6e-715e-b480-8f6387acfe08','01a223e9-7d5d-71ad-97d6-1e476a83de94','PENDING',0,1795898834286,NULL,NULL,NULL,1795898834286);
INSERT INTO "changes" VALUES(33,'acme/main','01a223e9-7d6e-715f-971d-a4e00a706e75','01a223e9-7d5d-71ad-97d6-1e476a83de94','PENDING',0,1795898834286,NULL,NULL,NULL,1795898834286);
INSERT INTO "changes" VALUES(34,'acme/main','01a223e9-7d6e-7160-b7ed-f8c4b8fa600c','01a223e9-7d5d-71ad-97d6-1e476a83de94','PENDING',0,1795898834286,NULL,NULL,NULL,1795898834286);
INSERT INTO "changes" VALUES(35,'acme/main','01a223e9-7d6e-7161-8b43-75f71a86b304','01a223e9-7d5d-71ad-97d6-1e476a83de94','PENDING',0,1795898834286,NULL,NULL,NULL,1795898834286);
INSERT INTO "changes" VALUES(36,'acme/main','01a223e9-7d6e-7162-9603-502f04cfb7d7','01a223e9-7d5d-71ad-97d6-1e476a83de94','PENDING',0,1795898834286,NULL,NULL,NULL,1795898834286);
INSERT INTO "changes" VALUES(37,'acme/main','01a223e9-7d8d-7468-a25f-140ac8f042b9','01a223e9-7d85-7143-805a-5ab85d6e1dcc','PENDING',0,1795898834317,NULL,NULL,NULL,1795898834317);
INSERT INTO "changes" VALUES(38,'acme/main','01a223e9-7d8d-7469-ac39-dc8421312754','01a223e9-7d85-7143-805a-5ab85d6e1dcc','PENDING',0,1795898834317,NULL,NULL,NULL,1795898834317);
INSERT INTO "changes" VALUES(39,'acme/main','01a223e9-7d8d-746a-ae5c-b381df2df4f2','01a223e9-7d85-7143-805a-5ab85d6e1dcc','PENDING',0,1795898834317,NULL,NULL,NULL,1795898834317);
INSERT INTO "changes" VALUES(40,'acme/main','01a223e9-7d8d-746b-a2da-880dc981ef8b','01a223e9-7d85-7143-805a-5ab85d6e1dcc','PENDING',0,1795898834317,NULL,NULL,NULL,1795898834317);
INSERT INTO "changes" VALUES(41,'acme/main','01a223e9-7d8d-746c-9e03-edc5d1b7d064','01a223e9-7d85-7143-805a-5ab85d6e1dcc','PENDING',0,1795898834317,NULL,NULL,NULL,1795898834317);
INSERT INTO "changes" VALUES(42,'acme/main','01a223e9-7d8d-746d-bc75-f9e7060151d2','01a223e9-7d85-7143-805a-5ab85d6e1dcc','PENDING',0,1795898834317,NULL,NULL,NULL,1795898834317);
INSERT INTO "changes" VALUES(43,'acme/main','01a223e9-7d8d-746e-ad3c-874eb10143b0','01a223e9-7d85-7143-805a-5ab85d6e1dcc','PENDING',0,1795898834317,NULL,NULL,NULL,1795898834317);
INSERT INTO "changes" VALUES(44,'acme/main','01a223e9-7d8d-746f-bd7b-249b3c1d5cc9','01a223e9-7d85-7143-805a-5ab85d6e1dcc','PENDING',0,1795898834317,NULL,NULL,NULL,1795898834317);
INSERT INTO "changes" VALUES(45,'acme/main','01a223e9-7d8d-7470-aba6-777897bcee3b','01a223e9-7d85-7143-805a-5ab85d6e1dcc','PENDING',0,1795898834317,NULL,NULL,NULL,1795898834317);
INSERT INTO "changes" VALUES(46,'acme/main','01a223e9-7d8d-7471-bb8e-d905a3bf00f1','01a223e9-7d85-7143-805a-5ab85d6e1dcc','PENDING',0,1795898834317,NULL,NULL,NULL,1795898834317);
INSERT INTO "changes" VALUES(47,'acme/main','01a223e9-7d8d-7472-ab4e-0a88fb1d6728','01a223e9-7d85-7143-805a-5ab85d6e1dcc','PENDING',0,1795898834317,NULL,NULL,NULL,1795898834317);
INSERT INTO "changes" VALUES(48,'acme/main','01a223e9-7d8d-7473-b0cd-417219896dc6','01a223e9-7d85-7143-805a-5ab85d6e1dcc','PENDING',0,1795898834317,NULL,NULL,NULL,1795898834317);
CREATE TABLE credentials (
        id TEXT NOT NULL PRIMARY KEY,
        kind TEXT NOT NULL,
        identity TEXT,
        secret_sha256 BYTEA,
        organization TEXT,
        workspace TEXT,
        scopes TEXT NOT NULL,
        description TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        expire_time BIGINT,
        revoke_time BIGINT,
        last_used_time BIGINT
    );
CREATE TABLE database_secrets (
        name TEXT NOT NULL PRIMARY KEY,
        secret TEXT NOT NULL,
        sealed_with TEXT NOT NULL
    );
INSERT INTO "database_secrets" VALUES('fingerprints','5tnFHRspXqDenI62nLp6dbujgjM7YxbAVX4X9g15DK33wPTpmFlDMuvw72ImnvKqfMyeZ4/5u/CWRwA/c+aOGqDGNEt+yVjl','first');
CREATE TABLE event_types (
        id TEXT NOT NULL PRIMARY KEY,
        display_name TEXT NOT NULL,
        description TEXT NOT NULL,
        service TEXT NOT NULL,
        category BIGINT,
        code BIGINT,
        examples TEXT NOT NULL,
        attribute_keys TEXT NOT NULL,
        deprecated BIGINT NOT NULL,
        create_time BIGINT NOT NULL,
        update_time BIGINT NOT NULL,
        revision BIGINT NOT NULL
    , json_schema TEXT NOT NULL DEFAULT '', schema_enforcement TEXT NOT NULL DEFAULT 'REJECT');
INSERT INTO "event_types" VALUES('agent.status.changed','agent.status.changed','','',NULL,NULL,'[]','[]',0,1795898833897,1795898833897,1795898833897,'','REJECT');
INSERT INTO "event_types" VALUES('hanging.one','hanging.one','','',NULL,NULL,'[]','[]',0,1795898834265,1795898834265,1795898834265,'','REJECT');
INSERT INTO "event_types" VALUES('paused.one','paused.one','','',NULL,NULL,'[]','[]',0,1795898834293,1795898834293,1795898834293,'','REJECT');
CREATE TABLE events (
        workspace TEXT NOT NULL,
        id TEXT NOT NULL,
        event_type TEXT NOT NULL,
        source TEXT NOT NULL,
        subject TEXT NOT NULL,
        attributes TEXT NOT NULL,
        content_type TEXT NOT NULL,
        payload_is_json BIGINT NOT NULL,
        occur_time BIGINT,
        create_time BIGINT NOT NULL,
        payload_sha256 BYTEA NOT NULL,
        payload_size BIGINT NOT NULL,
        matched_count BIGINT NOT NULL,
        context_json TEXT NOT NULL,
        payload BYTEA NOT NULL, category BIGINT, code BIGINT,
        PRIMARY KEY (workspace, id)
    );
INSERT INTO "events" VALUES('acme/main','01a223e9-7c06-702f-b19f-cbb201bcecaf','agent.status.changed','agents/a-17','','{"team":"a"}','application/json',1,NULL,1795898833926,X'CDE2CA7C86760958A5C56ED21C980F7012B150A4819B274FC806EA42A4500D19',15,5,'',X'7B226669727374223A20747275657D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7c92-76c1-8eb6-4b376d19ea6a','agent.status.changed','','','{}','application/json',1,NULL,1795898834066,X'7A5DC9D412D870E6FFD53CDBC8734AF377983AFF1111FF1FE2309822DCA22149',16,4,'',X'7B227365636F6E64223A20747275657D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d3a-7198-9b54-1b741de4793b','tidings.signing_key.rotated','tidings','organizations/acme/workspaces/main/subscriptions/ok','{}','application/json',1,1795898834232,1795898834237,X'27D38CEDF20E54424C2005D325CEE328961E1804E1864D1B71D83B557ABA78C1',191,1,'',X'7B22737562736372697074696F6E223A226F7267616E697A6174696F6E732F61636D652F776F726B7370616365732F6D61696E2F737562736372697074696F6E732F6F6B222C227369676E61747572655F736368656D65223A225354414E444152445F574542484F4F4B53222C226B65795F6964223A2230316132323365392D376433392D373561362D623161662D303337366230316233623062222C2274696D65223A22323032362D31312D32385432303A34373A31342E3233325A227D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d63-76b8-963c-d9a557cdac92','hanging.one','','','{}','application/json',1,NULL,1795898834275,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d63-76b9-bd9b-8283be385ef7','hanging.one','','','{}','application/json',1,NULL,1795898834275,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d63-76ba-9451-8c625db5651a','hanging.one','','','{}','application/json',1,NULL,1795898834275,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d63-76bb-b66b-124b610b9af6','hanging.one','','','{}','application/json',1,NULL,1795898834275,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d63-76bc-a2d9-3f8a8ecf1354','hanging.one','','','{}','application/json',1,NULL,1795898834275,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d63-76bd-97f4-1a7502c50c10','hanging.one','','','{}','application/json',1,NULL,1795898834275,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d63-76be-982c-654ca4281bf9','hanging.one','','','{}','application/json',1,NULL,1795898834275,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d63-76bf-a72b-6a89ef7ebf09','hanging.one','','','{}','application/json',1,NULL,1795898834275,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d63-76c0-93ec-90b313385da2','hanging.one','','','{}','application/json',1,NULL,1795898834275,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d63-76c1-a168-2fdbfd14bd41','hanging.one','','','{}','application/json',1,NULL,1795898834275,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d63-76c2-9e7b-e641bee77366','hanging.one','','','{}','application/json',1,NULL,1795898834275,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d63-76c3-95d2-bdcafc274ab1','hanging.one','','','{}','application/json',1,NULL,1795898834275,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d89-72b2-882c-ced8b79cc728','paused.one','','','{}','application/json',1,NULL,1795898834313,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d89-72b3-b718-383bb900f1ef','paused.one','','','{}','application/json',1,NULL,1795898834313,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d89-72b4-9c83-fb8c94309917','paused.one','','','{}','application/json',1,NULL,1795898834313,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d89-72b5-88d9-dd84c08e43a5','paused.one','','','{}','application/json',1,NULL,1795898834313,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d89-72b6-9f9e-80be48ea9c44','paused.one','','','{}','application/json',1,NULL,1795898834313,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d89-72b7-a288-99ebb6289631','paused.one','','','{}','application/json',1,NULL,1795898834313,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d89-72b8-8076-ea933e9163da','paused.one','','','{}','application/json',1,NULL,1795898834313,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d89-72b9-a5a8-9aa83dbee1d7','paused.one','','','{}','application/json',1,NULL,1795898834313,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d89-72ba-8978-41af093e085e','paused.one','','','{}','application/json',1,NULL,1795898834313,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d89-72bb-ab3e-4c84070fab7e','paused.one','','','{}','application/json',1,NULL,1795898834313,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d89-72bc-9b35-30768b7b5653','paused.one','','','{}','application/json',1,NULL,1795898834313,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
INSERT INTO "events" VALUES('acme/main','01a223e9-7d89-72bd-9483-e0f3cf92526e','paused.one','','','{}','application/json',1,NULL,1795898834313,X'44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A',2,1,'',X'7B7D',NULL,NULL);
CREATE TABLE lanes (
        subscription_uid TEXT NOT NULL PRIMARY KEY REFERENCES subscriptions (uid),
        concurrency BIGINT NOT NULL,
        successes BIGINT NOT NULL,
        narrowed_at BIGINT NOT NULL,
        failed_probes BIGINT NOT NULL,
        open_until BIGINT,
        failing_since BIGINT,
        failures BIGINT NOT NULL,
        last_success_time BIGINT
    );
INSERT INTO "lanes" VALUES('01a223e9-7bf2-7044-8876-68e16d7d6e3d',8,3,0,0,NULL,NULL,0,1795898833942);
INSERT INTO "lanes" VALUES('01a223e9-7bf9-7344-bd2f-758e3de9b03d',8,0,0,0,NULL,1795898833942,2,NULL);
INSERT INTO "lanes" VALUES('01a223e9-7bfd-7309-b4c6-8fc26a5ecc6c',8,0,0,0,NULL,1795898833942,4,NULL);
INSERT INTO "lanes" VALUES('01a223e9-7c00-7753-bf34-7e4afa60f4f6',8,0,0,0,NULL,1795898833942,1,NULL);
INSERT INTO "lanes" VALUES('01a223e9-7d34-74fd-82fc-5cbab213db6e',8,1,0,0,NULL,NULL,0,1795898834253);
CREATE TABLE management_requests (
        workspace TEXT NOT NULL,
        method TEXT NOT NULL,
        request_id TEXT NOT NULL,
        fingerprint BYTEA NOT NULL,
        result TEXT NOT NULL,
        create_time BIGINT NOT NULL, fingerprint_is_keyed BIGINT NOT NULL DEFAULT 0,
        PRIMARY KEY (workspace, method, request_id)
    );
INSERT INTO "management_requests" VALUES('acme/main','RotateSigningKey','rotation-1',X'C1C1BDDD05733481D659E13C390D35303450ABD5727D6DB023CCCE326F972FE5','{"subscription_uid":"01a223e9-7bf2-7044-8876-68e16d7d6e3d","subscription_id":"ok","key_id":"01a223e9-7d39-75a6-b1af-0376b01b3b0b"}',1795898834232,1);
CREATE TABLE notifications (
        id TEXT NOT NULL PRIMARY KEY,
        workspace TEXT NOT NULL,
        event_id TEXT NOT NULL,
        subscription_uid TEXT NOT NULL REFERENCES subscriptions (uid),
        subscription_id TEXT NOT NULL,
        event_type TEXT NOT NULL,
        state TEXT NOT NULL,
        due_at BIGINT NOT NULL,
        held BIGINT NOT NULL,
        claim BIGINT NOT NULL,
        lease_owner TEXT,
        claim_time BIGINT,
        attempt_count BIGINT NOT NULL,
        schedule_step BIGINT NOT NULL,
        interruptions BIGINT NOT NULL,
        create_time BIGINT NOT NULL,
        complete_time BIGINT,
        failure_reason TEXT, replay_id TEXT, schedule_time BIGINT, tier BIGINT NOT NULL DEFAULT 0, payload_size BIGINT NOT NULL DEFAULT 0,
        FOREIGN KEY (workspace, event_id) REFERENCES events (workspace, id)
    );
INSERT INTO "notifications" VALUES('01a223e9-7c08-7450-b293-80331f7ef978','acme/main','01a223e9-7c06-702f-b19f-cbb201bcecaf','01a223e9-7bf2-7044-8876-68e16d7d6e3d','ok','agent.status.changed','SUCCEEDED',1795898893930,0,1,NULL,1795898833930,1,0,0,1795898833928,1795898833942,NULL,NULL,NULL,0,15);
INSERT INTO "notifications" VALUES('01a223e9-7c08-7451-83e1-85464ff6086c','acme/main','01a223e9-7c06-702f-b19f-cbb201bcecaf','01a223e9-7bf9-7344-bd2f-758e3de9b03d','failing','agent.status.changed','WAITING',1795902112376,0,1,NULL,1795898833930,1,1,0,1795898833928,NULL,NULL,NULL,NULL,1,15);
INSERT INTO "notifications" VALUES('01a223e9-7c08-7452-b6c5-2492788432d5','acme/main','01a223e9-7c06-702f-b19f-cbb201bcecaf','01a223e9-7bfd-7309-b4c6-8fc26a5ecc6c','exhausted','agent.status.changed','FAILED',1795898894033,0,2,NULL,1795898834033,2,1,0,1795898833928,1795898834038,'ATTEMPTS_EXHAUSTED',NULL,NULL,1,15);
INSERT INTO "notifications" VALUES('01a223e9-7c08-7453-ba0d-0ff3584b1302','acme/main','01a223e9-7c06-702f-b19f-cbb201bcecaf','01a223e9-7c00-7753-bf34-7e4afa60f4f6','gone','agent.status.changed','FAILED',1795898893930,0,1,NULL,1795898833930,1,0,0,1795898833928,1795898833942,'GONE',NULL,NULL,0,15);
INSERT INTO "notifications" VALUES('01a223e9-7c08-7454-8c71-162c9d573da8','acme/main','01a223e9-7c06-702f-b19f-cbb201bcecaf','01a223e9-7c04-7541-8015-27a5f5e60115','deleted','agent.status.changed','SUCCEEDED',1795898893930,0,1,NULL,1795898833930,1,0,0,1795898833928,1795898833942,NULL,NULL,NULL,0,15);
INSERT INTO "notifications" VALUES('01a223e9-7c96-71bc-8097-342777d17c4e','acme/main','01a223e9-7c92-76c1-8eb6-4b376d19ea6a','01a223e9-7bf2-7044-8876-68e16d7d6e3d','ok','agent.status.changed','SUCCEEDED',1795898894071,0,1,NULL,1795898834071,1,0,0,1795898834070,1795898834089,NULL,NULL,NULL,0,16);
INSERT INTO "notifications" VALUES('01a223e9-7c96-71bd-b0de-9581219a7562','acme/main','01a223e9-7c92-76c1-8eb6-4b376d19ea6a','01a223e9-7bf9-7344-bd2f-758e3de9b03d','failing','agent.status.changed','CANCELLED',1795902219103,0,2,NULL,1795898834071,1,1,0,1795898834070,1795898834245,NULL,NULL,NULL,1,16);
INSERT INTO "notifications" VALUES('01a223e9-7c96-71be-8aaf-ce0be5ad20b5','acme/main','01a223e9-7c92-76c1-8eb6-4b376d19ea6a','01a223e9-7bfd-7309-b4c6-8fc26a5ecc6c','exhausted','agent.status.changed','FAILED',1795898894197,0,2,NULL,1795898834197,2,1,0,1795898834070,1795898834201,'ATTEMPTS_EXHAUSTED',NULL,NULL,1,16);
INSERT INTO "notifications" VALUES('01a223e9-7c96-71bf-9cd8-f4733f73519c','acme/main','01a223e9-7c92-76c1-8eb6-4b376d19ea6a','01a223e9-7c00-7753-bf34-7e4afa60f4f6','gone','agent.status.changed','WAITING',1797108434071,1,0,NULL,NULL,0,0,0,1795898834070,NULL,NULL,NULL,NULL,0,16);
INSERT INTO "notifications" VALUES('01a223e9-7d41-759f-bba7-eff285a92769','acme/main','01a223e9-7d3a-7198-9b54-1b741de4793b','01a223e9-7d34-74fd-82fc-5cbab213db6e','listener','tidings.signing_key.rotated','SUCCEEDED',1795898894244,0,1,NULL,1795898834244,1,0,0,1795898834241,1795898834253,NULL,NULL,NULL,0,191);
INSERT INTO "notifications" VALUES('01a223e9-7d5c-7423-bbea-bda4d6a0bd16','acme/main','01a223e9-7c06-702f-b19f-cbb201bcecaf','01a223e9-7bf2-7044-8876-68e16d7d6e3d','ok','agent.status.changed','SUCCEEDED',1795898894270,0,1,NULL,1795898834270,1,0,0,1795898834268,1795898834279,NULL,'01a223e9-7d4e-7090-a705-e3af8a460021',NULL,1,15);
INSERT INTO "notifications" VALUES('01a223e9-7d6e-7157-8c82-d1da696b2caa','acme/main','01a223e9-7d63-76b8-963c-d9a557cdac92','01a223e9-7d5d-71ad-97d6-1e476a83de94','hanging','hanging.one','WAITING',1795898894292,0,1,'01a223e9-7b83-737d-80bb-201f0f2a118b',1795898834292,0,0,0,1795898834286,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d6e-7158-aa95-ae0003364460','acme/main','01a223e9-7d63-76b9-bd9b-8283be385ef7','01a223e9-7d5d-71ad-97d6-1e476a83de94','hanging','hanging.one','WAITING',1795898894292,0,1,'01a223e9-7b83-737d-80bb-201f0f2a118b',1795898834292,0,0,0,1795898834286,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d6e-7159-91c5-964febf416be','acme/main','01a223e9-7d63-76ba-9451-8c625db5651a','01a223e9-7d5d-71ad-97d6-1e476a83de94','hanging','hanging.one','WAITING',1795898894292,0,1,'01a223e9-7b83-737d-80bb-201f0f2a118b',1795898834292,0,0,0,1795898834286,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d6e-715a-af36-868a8cc64ff5','acme/main','01a223e9-7d63-76bb-b66b-124b610b9af6','01a223e9-7d5d-71ad-97d6-1e476a83de94','hanging','hanging.one','WAITING',1795898894292,0,1,'01a223e9-7b83-737d-80bb-201f0f2a118b',1795898834292,0,0,0,1795898834286,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d6e-715b-ad32-3be371a265bf','acme/main','01a223e9-7d63-76bc-a2d9-3f8a8ecf1354','01a223e9-7d5d-71ad-97d6-1e476a83de94','hanging','hanging.one','WAITING',1795898894292,0,1,'01a223e9-7b83-737d-80bb-201f0f2a118b',1795898834292,0,0,0,1795898834286,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d6e-715c-bafe-a57a42d5c92e','acme/main','01a223e9-7d63-76bd-97f4-1a7502c50c10','01a223e9-7d5d-71ad-97d6-1e476a83de94','hanging','hanging.one','WAITING',1795898894292,0,1,'01a223e9-7b83-737d-80bb-201f0f2a118b',1795898834292,0,0,0,1795898834286,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d6e-715d-b1b6-0f3b9456421d','acme/main','01a223e9-7d63-76be-982c-654ca4281bf9','01a223e9-7d5d-71ad-97d6-1e476a83de94','hanging','hanging.one','WAITING',1795898894292,0,1,'01a223e9-7b83-737d-80bb-201f0f2a118b',1795898834292,0,0,0,1795898834286,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d6e-715e-b480-8f6387acfe08','acme/main','01a223e9-7d63-76bf-a72b-6a89ef7ebf09','01a223e9-7d5d-71ad-97d6-1e476a83de94','hanging','hanging.one','WAITING',1795898894292,0,1,'01a223e9-7b83-737d-80bb-201f0f2a118b',1795898834292,0,0,0,1795898834286,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d6e-715f-971d-a4e00a706e75','acme/main','01a223e9-7d63-76c0-93ec-90b313385da2','01a223e9-7d5d-71ad-97d6-1e476a83de94','hanging','hanging.one','READY',1795898834286,0,0,NULL,NULL,0,0,0,1795898834286,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d6e-7160-b7ed-f8c4b8fa600c','acme/main','01a223e9-7d63-76c1-a168-2fdbfd14bd41','01a223e9-7d5d-71ad-97d6-1e476a83de94','hanging','hanging.one','READY',1795898834286,0,0,NULL,NULL,0,0,0,1795898834286,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d6e-7161-8b43-75f71a86b304','acme/main','01a223e9-7d63-76c2-9e7b-e641bee77366','01a223e9-7d5d-71ad-97d6-1e476a83de94','hanging','hanging.one','READY',1795898834286,0,0,NULL,NULL,0,0,0,1795898834286,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d6e-7162-9603-502f04cfb7d7','acme/main','01a223e9-7d63-76c3-95d2-bdcafc274ab1','01a223e9-7d5d-71ad-97d6-1e476a83de94','hanging','hanging.one','READY',1795898834286,0,0,NULL,NULL,0,0,0,1795898834286,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d8d-7468-a25f-140ac8f042b9','acme/main','01a223e9-7d89-72b2-882c-ced8b79cc728','01a223e9-7d85-7143-805a-5ab85d6e1dcc','paused','paused.one','WAITING',1795898894320,0,1,'01a223e9-7b83-737d-80bb-201f0f2a118b',1795898834320,0,0,0,1795898834317,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d8d-7469-ac39-dc8421312754','acme/main','01a223e9-7d89-72b3-b718-383bb900f1ef','01a223e9-7d85-7143-805a-5ab85d6e1dcc','paused','paused.one','WAITING',1795898894320,0,1,'01a223e9-7b83-737d-80bb-201f0f2a118b',1795898834320,0,0,0,1795898834317,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d8d-746a-ae5c-b381df2df4f2','acme/main','01a223e9-7d89-72b4-9c83-fb8c94309917','01a223e9-7d85-7143-805a-5ab85d6e1dcc','paused','paused.one','WAITING',1795898894320,0,1,'01a223e9-7b83-737d-80bb-201f0f2a118b',1795898834320,0,0,0,1795898834317,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d8d-746b-a2da-880dc981ef8b','acme/main','01a223e9-7d89-72b5-88d9-dd84c08e43a5','01a223e9-7d85-7143-805a-5ab85d6e1dcc','paused','paused.one','WAITING',1795898894320,0,1,'01a223e9-7b83-737d-80bb-201f0f2a118b',1795898834320,0,0,0,1795898834317,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d8d-746c-9e03-edc5d1b7d064','acme/main','01a223e9-7d89-72b6-9f9e-80be48ea9c44','01a223e9-7d85-7143-805a-5ab85d6e1dcc','paused','paused.one','WAITING',1795898894320,0,1,'01a223e9-7b83-737d-80bb-201f0f2a118b',1795898834320,0,0,0,1795898834317,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d8d-746d-bc75-f9e7060151d2','acme/main','01a223e9-7d89-72b7-a288-99ebb6289631','01a223e9-7d85-7143-805a-5ab85d6e1dcc','paused','paused.one','WAITING',1795898894320,0,1,'01a223e9-7b83-737d-80bb-201f0f2a118b',1795898834320,0,0,0,1795898834317,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d8d-746e-ad3c-874eb10143b0','acme/main','01a223e9-7d89-72b8-8076-ea933e9163da','01a223e9-7d85-7143-805a-5ab85d6e1dcc','paused','paused.one','WAITING',1795898894320,0,1,'01a223e9-7b83-737d-80bb-201f0f2a118b',1795898834320,0,0,0,1795898834317,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d8d-746f-bd7b-249b3c1d5cc9','acme/main','01a223e9-7d89-72b9-a5a8-9aa83dbee1d7','01a223e9-7d85-7143-805a-5ab85d6e1dcc','paused','paused.one','WAITING',1795898894320,0,1,'01a223e9-7b83-737d-80bb-201f0f2a118b',1795898834320,0,0,0,1795898834317,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d8d-7470-aba6-777897bcee3b','acme/main','01a223e9-7d89-72ba-8978-41af093e085e','01a223e9-7d85-7143-805a-5ab85d6e1dcc','paused','paused.one','WAITING',1797108434897,1,0,NULL,NULL,0,0,0,1795898834317,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d8d-7471-bb8e-d905a3bf00f1','acme/main','01a223e9-7d89-72bb-ab3e-4c84070fab7e','01a223e9-7d85-7143-805a-5ab85d6e1dcc','paused','paused.one','WAITING',1797108434897,1,0,NULL,NULL,0,0,0,1795898834317,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d8d-7472-ab4e-0a88fb1d6728','acme/main','01a223e9-7d89-72bc-9b35-30768b7b5653','01a223e9-7d85-7143-805a-5ab85d6e1dcc','paused','paused.one','WAITING',1797108434897,1,0,NULL,NULL,0,0,0,1795898834317,NULL,NULL,NULL,NULL,0,2);
INSERT INTO "notifications" VALUES('01a223e9-7d8d-7473-b0cd-417219896dc6','acme/main','01a223e9-7d89-72bd-9483-e0f3cf92526e','01a223e9-7d85-7143-805a-5ab85d6e1dcc','paused','paused.one','WAITING',1797108434897,1,0,NULL,NULL,0,0,0,1795898834317,NULL,NULL,NULL,NULL,0,2);
CREATE TABLE publish_requests (
        workspace TEXT NOT NULL,
        request_id TEXT NOT NULL,
        fingerprint BYTEA NOT NULL,
        event_id TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        PRIMARY KEY (workspace, request_id)
    );
INSERT INTO "publish_requests" VALUES('acme/main','request-1',X'006D83D1450CCB7E5EA275CE9BFB4FE3DCFB0C5079B70584440CDC1CE8792FC9','01a223e9-7c06-702f-b19f-cbb201bcecaf',1795898833926);
INSERT INTO "publish_requests" VALUES('acme/main','01a223e9-7d3a-7198-9b54-1b741de4793b',X'AD49C2496B9FD174922DA9420F39120A806EEE09E8326BF21381FD2E4C662F27','01a223e9-7d3a-7198-9b54-1b741de4793b',1795898834237);
CREATE TABLE replays (
        id TEXT NOT NULL PRIMARY KEY,
        workspace TEXT NOT NULL,
        subscription_uid TEXT NOT NULL REFERENCES subscriptions (uid),
        subscription_id TEXT NOT NULL,
        start_time BIGINT NOT NULL,
        end_time BIGINT NOT NULL,
        states TEXT NOT NULL,
        include_unmatched BIGINT NOT NULL,
        max_rate_per_second DOUBLE PRECISION,
        state TEXT NOT NULL,
        examined_count BIGINT NOT NULL,
        created_count BIGINT NOT NULL,
        position_time BIGINT NOT NULL,
        position_id TEXT NOT NULL,
        next_time BIGINT NOT NULL,
        create_time BIGINT NOT NULL,
        complete_time BIGINT
    );
INSERT INTO "replays" VALUES('01a223e9-7d4e-7090-a705-e3af8a460021','acme/main','01a223e9-7bf2-7044-8876-68e16d7d6e3d','ok',0,1795898834254,'[]',0,0.01,'RUNNING',1,1,1795898833926,'01a223e9-7c06-702f-b19f-cbb201bcecaf',1795898934268,1795898834254,NULL);
CREATE TABLE sealing_keys (
        key_id TEXT NOT NULL PRIMARY KEY,
        state TEXT NOT NULL,
        proof TEXT NOT NULL,
        create_time BIGINT NOT NULL
    );
INSERT INTO "sealing_keys" VALUES('first','ACTIVE','bWHsz1NOqWo+2B2Qj2N+g2WgnJoFJ3zBxBmWes+pzlbms0o=',1795898833738);
CREATE TABLE signing_keys (
        subscription_uid TEXT NOT NULL REFERENCES subscriptions (uid),
        key_id TEXT NOT NULL,
        secret TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        expire_time BIGINT, scheme TEXT NOT NULL DEFAULT 'STANDARD_WEBHOOKS', sealed_with TEXT,
        PRIMARY KEY (subscription_uid, key_id)
    );
INSERT INTO "signing_keys" VALUES('01a223e9-7bf2-7044-8876-68e16d7d6e3d','01a223e9-7bf2-7045-9fa4-a0f9e8ca2fe8','VqjiLfySydYV2Yg6JC2zTdGamPSdwjAv5Bpl5BVJwd8WtVw318/ISgHJqGP8ZuNauc6GvM2nuy2VkpcCeTUrWoOX0UtGhqGuL0NeTbWp',1795898833904,1795985234232,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a223e9-7bf9-7344-bd2f-758e3de9b03d','01a223e9-7bf9-7345-b813-4148c31878c5','GXWNOkpQtGGA/dvG3cbYgobHCfacy5Prw5GqpDja6CXyxw2auvpXMqZE/6j0UrYRo3CejshFQuGrywAVwtupUg1jnilsEQaWVidRuWbM',1795898833913,NULL,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a223e9-7bfd-7309-b4c6-8fc26a5ecc6c','01a223e9-7bfd-730a-99d3-0ac773237476','1rBshRx1CS5v0X2wC/yi2PjTMf9HxvESk79FQyJ7PYeAAIxHvr9yHDjHmR/5Ij2VtcE/W9x5oCyLl9JXuf8hQhd92groyE7CX08oDDIy',1795898833917,NULL,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a223e9-7c00-7753-bf34-7e4afa60f4f6','01a223e9-7c00-7754-b6a8-7c19e6b5d796','7ZVpNOomvLQwPKniW+TRADHiRpGVX8NLhPfjRh3/Jh+i3Oz8vQmv+oKMMHvVbG+8aR1YNeX+EU8KfAWtsA01otfK7NNLhmO1+Vx15bht',1795898833920,NULL,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a223e9-7d34-74fd-82fc-5cbab213db6e','01a223e9-7d34-74fe-adb5-e1a4ace00cca','CJ8HWhMdsSniTP+ryYLXCtfgVtPs3FvsYwyORSoX2/YVrhp86xpPLjYM0jve9r94XeWx96xW+yyAWrIJf0MnTLcTtDoPJluwiSEpSwfZ',1795898834228,NULL,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a223e9-7bf2-7044-8876-68e16d7d6e3d','01a223e9-7d39-75a6-b1af-0376b01b3b0b','/BsRGfe278TTq6FPw3AeThm2IbTQzSNvvTSNAtdmUes1UneqdXrSN6aNrZnBvuxuXtAIIvdN2uPvIpD5gYmCLj/KLHOvKcstU+hbDjOg',1795898834232,NULL,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a223e9-7d5d-71ad-97d6-1e476a83de94','01a223e9-7d5d-71ae-8b30-dbba368f29ae','BnyxFZcX+zxpxVlRM7Bzgp4nHI+C5d+twEp9rtUpLO6mIpOp8vLTIT7vw7lrVGlurs4SWCJYD0pr/4lqAEmQUuHlUDPX1cV0rXFiFUfw',1795898834269,NULL,'STANDARD_WEBHOOKS','first');
INSERT INTO "signing_keys" VALUES('01a223e9-7d85-7143-805a-5ab85d6e1dcc','01a223e9-7d86-7535-9245-485b83d1f08d','TugwGtVyNabspw9kvfGPjA60Xdb+yYT3pCEWVN1CdiYvMXr0joJsPddehxI4WaJvg/u280DKxKBCkDLxj9BZ6Vphz5viClksSScWacGH',1795898834309,NULL,'STANDARD_WEBHOOKS','first');
CREATE TABLE subscriptions (
        uid TEXT NOT NULL PRIMARY KEY,
        workspace TEXT NOT NULL,
        id TEXT NOT NULL,
        display_name TEXT NOT NULL,
        url TEXT NOT NULL,
        event_types TEXT NOT NULL,
        attribute_filters TEXT NOT NULL,
        enabled BIGINT NOT NULL,
        format TEXT NOT NULL,
        signature_scheme TEXT NOT NULL,
        headers TEXT NOT NULL,
        retry_policy TEXT,
        max_concurrency BIGINT,
        annotations TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        update_time BIGINT NOT NULL,
        delete_time BIGINT,
        revision BIGINT NOT NULL,
        sweep TEXT,
        sweep_after TEXT NOT NULL
    , filter TEXT NOT NULL DEFAULT '', filter_is_shut BIGINT NOT NULL DEFAULT 0, api_key_header TEXT, api_key_value TEXT, suspend_time BIGINT, suspend_reason TEXT, wants_operational_events BIGINT NOT NULL DEFAULT 0, max_rate_per_second DOUBLE PRECISION, sealed_with TEXT, url_rest TEXT);
INSERT INTO "subscriptions" VALUES('01a223e9-7bf2-7044-8876-68e16d7d6e3d','acme/main','ok','Subscription ok','http://127.0.0.1:8080','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','15GT4hfXKzWnDhfwKOdBnStESGWiLck+brOJMS75',NULL,NULL,'{}',1795898833904,1795898834232,NULL,9,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,'first','Nd//rXIcwVbVWbRT/uareH6hvNyWWSn5BKK3Ce1BVA==');
INSERT INTO "subscriptions" VALUES('01a223e9-7bf9-7344-bd2f-758e3de9b03d','acme/main','failing','Subscription failing','http://127.0.0.1:8080','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','VAYca051oJF+4OSSgfpuKtftqwbBqPsD6golU5uJ','{"delays_s":[3600.0,3600.0],"attempt_timeout_s":15.0,"max_age_s":null}',NULL,'{}',1795898833913,1795898833913,NULL,2,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,'first','duHUXzq7pO9zTgA7B/SG6387nEZL3fa4P3x9Nnx9bSohdA==');
INSERT INTO "subscriptions" VALUES('01a223e9-7bfd-7309-b4c6-8fc26a5ecc6c','acme/main','exhausted','Subscription exhausted','http://127.0.0.1:8080','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','M7/PIsR4GH6C6xDp575xnXqLtXbgG5A9esiKibRZ','{"delays_s":[0.1],"attempt_timeout_s":15.0,"max_age_s":null}',NULL,'{}',1795898833917,1795898833917,NULL,3,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,'first','PGJUCZnyUdSBgo6eBT3EJ0kjhKVbUIWAEyuDZlZpmB44CA==');
INSERT INTO "subscriptions" VALUES('01a223e9-7c00-7753-bf34-7e4afa60f4f6','acme/main','gone','Subscription gone','http://127.0.0.1:8080','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','ThJbNeHHcoQT9WFYTcAd/fW+zUsOcnYGPXx65Hse',NULL,NULL,'{}',1795898833920,1795898833942,NULL,6,NULL,'','',0,NULL,NULL,1795898833942,'GONE',0,NULL,'first','P7NaY3HXpf7vtZ2Px04CZ/20EuUzaTZnr0DngpZxiCc3');
INSERT INTO "subscriptions" VALUES('01a223e9-7c04-7541-8015-27a5f5e60115','acme/main','deleted','Subscription deleted','','["agent.status.changed"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','{}',NULL,NULL,'{}',1795898833923,1795898833923,1795898834062,7,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "subscriptions" VALUES('01a223e9-7d34-74fd-82fc-5cbab213db6e','acme/main','listener','Subscription listener','http://127.0.0.1:8080','["tidings.*"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','CDsxd/TmJlX/W97Ka9soKOv5GQQjHgzQurIwhXVR',NULL,NULL,'{}',1795898834228,1795898834228,NULL,8,NULL,'','event.type.startsWith(''tidings.'')',0,'X-API-Key','OIh3wEbWMaLns+rnBEXlvCEiQW7M88JKYFzpuoRxO6fz8vhsUNE=',NULL,NULL,1,NULL,'first','rmZn1YS7Qtigxwd+vRlOi0Am8RtSGBJT4xVTHc1ZZg==');
INSERT INTO "subscriptions" VALUES('01a223e9-7d5d-71ad-97d6-1e476a83de94','acme/main','hanging','Subscription hanging','http://127.0.0.1:8080','["hanging.one"]','{}',1,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','0NDDcL2aKTx6bAHL5h6F2nlM0ED4u67Ph3sD8xuM',NULL,NULL,'{}',1795898834269,1795898834269,NULL,10,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,'first','FLvshj/EkycKkc7g/0m9apeLqTJPsI67SnqSDaEd4cQg/g==');
INSERT INTO "subscriptions" VALUES('01a223e9-7d85-7143-805a-5ab85d6e1dcc','acme/main','paused','Subscription paused','http://127.0.0.1:8080','["paused.one"]','{}',0,'STANDARD_WEBHOOKS','STANDARD_WEBHOOKS','GBIgjQJ6IjOWEuDDeULb/JZqE3CeXqiQ9X5lbcZC',NULL,NULL,'{}',1795898834309,1795898834350,NULL,12,NULL,'','',0,NULL,NULL,NULL,NULL,0,NULL,'first','M8n5IWsi7XSQFBeCDF4jD6yDF+GTRv0T4X/l8P4yqcDBYA==');
CREATE TABLE workspaces (
        workspace TEXT NOT NULL PRIMARY KEY,
        revision BIGINT NOT NULL
    , forgotten_revision BIGINT NOT NULL DEFAULT 0);
INSERT INTO "workspaces" VALUES('acme/main',12,0);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE UNIQUE INDEX subscriptions_by_id ON subscriptions (workspace, id) WHERE delete_time IS NULL;
CREATE UNIQUE INDEX subscriptions_by_display_name ON subscriptions (workspace, display_name)
    WHERE delete_time IS NULL
    ;
CREATE INDEX subscriptions_by_revision ON subscriptions (workspace, revision);
CREATE INDEX subscriptions_to_sweep ON subscriptions (uid) WHERE sweep IS NOT NULL;
CREATE INDEX events_by_time ON events (workspace, create_time, id);
CREATE INDEX notifications_timer ON notifications (due_at) WHERE state = 'WAITING' AND lease_owner IS NULL;
CREATE INDEX notifications_leases ON notifications (due_at) WHERE lease_owner IS NOT NULL;
CREATE INDEX notifications_pending ON notifications (subscription_uid, complete_time, id)
    WHERE complete_time IS NULL
    ;
CREATE INDEX notifications_by_workspace ON notifications (workspace, id);
CREATE INDEX notifications_by_event ON notifications (workspace, event_id, id);
CREATE INDEX notifications_by_subscription ON notifications (subscription_uid, id);
CREATE INDEX subscriptions_to_tell ON subscriptions (workspace, wants_operational_events, delete_time)
    WHERE wants_operational_events = 1 AND delete_time IS NULL
    ;
CREATE INDEX signing_keys_to_expire ON signing_keys (expire_time) WHERE expire_time IS NOT NULL;
CREATE UNIQUE INDEX notifications_by_replay ON notifications (replay_id, event_id) WHERE replay_id IS NOT NULL;
CREATE INDEX changes_by_workspace ON changes (workspace, (number + 0));
CREATE INDEX replays_by_subscription ON replays (subscription_uid, id);
CREATE INDEX replays_running ON replays (next_time) WHERE state = 'RUNNING';
CREATE INDEX replays_running_of ON replays (subscription_uid) WHERE state = 'RUNNING';
CREATE INDEX notifications_lane ON notifications (subscription_uid, tier, due_at) WHERE state = 'READY';
CREATE INDEX events_by_age ON events (create_time, workspace, id);
CREATE INDEX publish_requests_by_age ON publish_requests (create_time);
CREATE INDEX management_requests_by_age ON management_requests (create_time);
CREATE INDEX replays_by_age ON replays (complete_time, id) WHERE complete_time IS NOT NULL;
CREATE INDEX replays_running_in ON replays (workspace, position_time) WHERE state = 'RUNNING';
CREATE INDEX subscriptions_by_deletion ON subscriptions (delete_time, uid) WHERE delete_time IS NOT NULL;
CREATE INDEX changes_of_ended ON changes (notification_id) WHERE complete_time IS NOT NULL;
CREATE UNIQUE INDEX credentials_by_identity ON credentials (identity)
    WHERE identity IS NOT NULL AND revoke_time IS NULL
    ;
CREATE INDEX credentials_by_binding ON credentials (organization, workspace) WHERE revoke_time IS NULL;
CREATE UNIQUE INDEX sealing_keys_active ON sealing_keys (state) WHERE state = 'ACTIVE';
CREATE INDEX subscriptions_by_seal ON subscriptions (sealed_with, uid) WHERE delete_time IS NULL;
CREATE INDEX signing_keys_by_seal ON signing_keys (sealed_with, subscription_uid, key_id);
CREATE INDEX audit_log_by_time ON audit_log (time, number);
CREATE INDEX audit_log_by_workspace ON audit_log (workspace, time, number);
CREATE INDEX audit_log_by_resource ON audit_log (resource, time, number);
CREATE INDEX subscriptions_with_filter ON subscriptions (workspace) WHERE filter <> '' AND delete_time IS NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit_log',17);
INSERT INTO "sqlite_sequence" VALUES('changes',48);
COMMIT;
