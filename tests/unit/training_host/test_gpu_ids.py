import pytest
from pydantic import ValidationError

from services.training_host.cuda_ids import CudaIds
from services.training_host.settings import TrainingHostSettings


@pytest.mark.parametrize(
    ("environment", "listed", "expected"),
    [
        ({}, [], ["0", "2"]),
        ({"CUDA_VISIBLE_DEVICES": "3, 5,GPU-x"}, [], ["3", "GPU-x"]),
        ({"CUDA_VISIBLE_DEVICES": "3"}, ["7", "8", "9"], ["7", "9"]),
        ({}, ["7"], ["7", "2"]),
    ],
)
def test_names_stand_for_ids(environment: dict[str, str], listed: list[str], expected: list[str]) -> None:
    assert CudaIds(environment, listed).ids(["cuda:0", "cuda:2"]) == expected


def test_other_devices_are_not_cudas() -> None:
    assert CudaIds({}).ids(["mps"]) == []


@pytest.mark.parametrize(
    ("given", "listed"),
    [
        ("auto", []),
        ("none", []),
        ("0", ["0"]),
        ("0,GPU-1a", ["0", "GPU-1a"]),
        (["1", "MIG-2"], ["1", "MIG-2"]),
        (3, ["3"]),
    ],
)
def test_gpus_can_be_configured(given: object, listed: list[str]) -> None:
    settings = TrainingHostSettings.model_validate({"gpus": given})
    assert settings.listed_gpus == listed


@pytest.mark.parametrize("given", ["", "0,,1", "0 1", []])
def test_what_is_no_list_of_gpus_is_refused(given: object) -> None:
    with pytest.raises(ValidationError, match="auto, none, or ids"):
        TrainingHostSettings.model_validate({"gpus": given})
