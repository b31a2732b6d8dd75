from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.session_pb2 import Session
from tests.support.eventually import eventually
from tests.support.host_service import KIND, ProbeHostSettings, served_host, session_processes
from tests.support.session_worker import worker_spec


async def test_a_worker_completes_and_every_point_is_delivered(settings: ProbeHostSettings) -> None:
    async with served_host(settings) as (host, stub):
        started = await host.sessions.start(kind=KIND, spec=worker_spec(epochs=4), session_id="one", labels={"a": "b"})
        assert started.state == Session.STATE_RUNNING

        async def ended() -> host_pb2.GetStatusResponse | None:
            response = await stub.GetStatus(host_pb2.GetStatusRequest())
            return response if response.sessions[0].final else None

        response = await eventually(ended)
        session = response.sessions[0]
        assert session.state == Session.STATE_COMPLETED
        assert [series.name for series in session.metrics] == ["train_loss", "train_accuracy"]
        assert list(session.metrics[0].values) == [1.0, 1.0 / 2, 1.0 / 3, 1.0 / 4]
        assert session.metrics[0].first_seq == 0
        assert not session.metrics[0].seqs
        assert session.progress.fraction == 1.0
        assert response.snapshot_complete
        assert not response.more
        assert session.labels == {"a": "b"}
        assert not session_processes(settings.home)
