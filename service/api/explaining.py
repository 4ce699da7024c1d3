"""ExplainPublish of tidings.v1.PublishService over the use case in `service.explaining`."""

from service.api.convert import id_in
from service.api.event_types import violation
from service.api.subscriptions import candidate_of
from service.domain.names import Workspace
from service.explaining import Decision, Explainer, Explanation, Preview
from service.publishing import EventDraft, Publisher
from service.subscribing import Subscriptions
from tidings.v1 import publishing_pb2


class Explanations:
    """Answers ExplainPublish."""

    def __init__(self, explainer: Explainer, publisher: Publisher, subscriptions: Subscriptions) -> None:
        self._explainer = explainer
        self._publisher = publisher
        self._subscriptions = subscriptions

    async def explain(
        self, workspace: Workspace, draft: EventDraft, request: publishing_pb2.ExplainPublishRequest
    ) -> publishing_pb2.ExplainPublishResponse:
        """Explain what publishing the draft of a request would do."""
        previewed = id_in(workspace, "preview_subscription", "subscriptions", request.preview_subscription)
        candidate = None
        if request.HasField("subscription"):
            candidate = await self._subscriptions.draft(workspace, candidate_of(request.subscription))
        explanation = await self._explainer.explain(
            workspace,
            self._publisher.event_of(workspace, draft),
            candidate=candidate,
            preview_subscription=previewed,
        )
        return _response(explanation)


def _response(explanation: Explanation) -> publishing_pb2.ExplainPublishResponse:
    return publishing_pb2.ExplainPublishResponse(
        schema_violations=map(violation, explanation.schema_violations),
        decisions=[_decision(each) for each in explanation.decisions],
        decisions_truncated=explanation.decisions_truncated,
        candidate_preview=_preview(explanation.candidate_preview),
        preview=_preview(explanation.preview),
    )


def _decision(decision: Decision) -> publishing_pb2.MatchDecision:
    return publishing_pb2.MatchDecision(
        subscription=decision.subscription,
        matched=decision.matched,
        reason=decision.reason.value,
        detail=decision.detail,
    )


def _preview(preview: Preview | None) -> publishing_pb2.RequestPreview | None:
    if preview is None:
        return None
    return publishing_pb2.RequestPreview(
        url=preview.url, headers=dict(preview.headers), body=preview.body, body_truncated=preview.body_truncated
    )
