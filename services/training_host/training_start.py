"""Accepting trainings."""

import asyncio
from pathlib import Path, PurePath
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import Session, SessionOptions
from ktrdr.ib.v1.bars_pb2 import Source, WhatToShow
from ktrdr.training.v1.training_pb2 import StartTrainingRequest, TrainingSpec

from services.common.errors import FieldViolation, ServiceError
from services.host.creation import Furnish, unfurnished
from services.host.device_pool import DevicePool
from services.host.folder import SessionFolder
from services.host.sessions import Sessions
from services.training_host.checkpoints.take_over import take_over
from services.training_host.failures import strategy_invalid
from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.fault import StrategyInvalid
from services.training_host.strategy.strategy import Strategy

KIND: Final = "training"
"""Kind of a training's session."""


class TrainingStart:
    """Checks what is asked, and hands it to the host's sessions.

    Args:
        sessions: The host's sessions.
        devices: The host's GPUs.
    """

    def __init__(self, sessions: Sessions, devices: DevicePool) -> None:
        self._sessions = sessions
        self._devices = devices

    async def start(self, request: StartTrainingRequest) -> Session:
        """Accept a training; idempotent by session id and request id.

        Raises:
            ServiceError: INVALID_REQUEST or STRATEGY_INVALID with the fields at fault; CHECKPOINT_NOT_FOUND; what
                Sessions.start raises.
        """
        # Parsing takes milliseconds to tenths of a second, which the event loop does not have.
        strategy = await asyncio.to_thread(check_spec, request.spec)
        device = strategy.training.device
        check_gpus(request.options, device)
        await self._devices.known()
        return await self._sessions.start(
            kind=KIND,
            spec=request.spec,
            session_id=request.session_id,
            request_id=request.request_id,
            attempt=request.attempt,
            labels=request.labels,
            options=request.options if request.HasField("options") else None,
            default_gpus=1 if self._devices.total and device != "cpu" else 0,
            continues=request.checkpoint_session_id,
            furnish=self._from_checkpoint(request.checkpoint_session_id, strategy),
        )

    def _from_checkpoint(self, session_id: str, strategy: Strategy) -> Furnish:
        """Return what brings a session's checkpoints into the folder of a new one, which goes on from them.

        Where there are none the new session is refused: to begin anew instead would be another training.
        """
        if not session_id:
            return unfurnished
        source = self._checkpoints(session_id)

        def furnish(folder: SessionFolder) -> None:
            take_over(source, folder.checkpoints, session_id=session_id, strategy=strategy)

        return furnish

    def _checkpoints(self, session_id: str) -> Path | None:
        """Return where the checkpoints of a session are; None where the host has no such session."""
        try:
            return self._sessions.find(session_id).folder.checkpoints
        except ServiceError:
            return None


def check_spec(spec: TrainingSpec) -> Strategy:
    """Check a spec as far as that is possible without bars and devices, and return its strategy.

    Raises:
        ServiceError: INVALID_REQUEST or STRATEGY_INVALID, with every field at fault.
    """
    faults: list[FieldViolation] = []
    if not spec.strategy.strip():
        faults.append(FieldViolation("spec.strategy", "is empty; send the text of a strategy's YAML file"))
    local = spec.WhichOneof("bars") == "local"
    if local and not PurePath(spec.local.path).is_absolute():
        message = "should be an absolute path on the training host's machine"
        faults.append(FieldViolation("spec.local.path", message))
    if spec.stored.source not in Source.values():
        faults.append(FieldViolation("spec.stored.source", f"{spec.stored.source} is not a source"))
    if spec.stored.what_to_show not in WhatToShow.values():
        faults.append(FieldViolation("spec.stored.what_to_show", f"{spec.stored.what_to_show} is not known"))
    if faults:
        detail = f"{faults[0].field}: {faults[0].description}"
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=faults, detail=detail)
    try:
        return load_strategy(spec.strategy, dict(spec.overrides))
    except StrategyInvalid as error:
        raise strategy_invalid(error.faults) from None


def check_gpus(options: SessionOptions, device: str) -> None:
    """Check that the device of a strategy is among the GPUs that are asked for, which a session counts from 0.

    Raises:
        ServiceError: INVALID_REQUEST, if it is not.
    """
    if not options.HasField("gpus") or not device.startswith("cuda"):
        return
    needed = int(device.partition(":")[2] or 0) + 1
    if options.gpus < needed:
        what = f"is {options.gpus}, but training.device = {device} needs {needed}: a session counts its own GPUs from 0"
        fault = FieldViolation("options.gpus", what)
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=[fault])
