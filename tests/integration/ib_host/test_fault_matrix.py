"""Each fault of the catalogue beside a load: no bar is lost, or it is said which. All of them: make faults."""

import asyncio
from pathlib import Path

import pytest

from tests.fault_matrix.cases import SCENES, Case, mixed_case, some_cases
from tests.fault_matrix.examination import problems
from tests.fault_matrix.world import play, prepare


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Homes with the bars that are stored before the faults begin, by the name of their scene."""
    homes = tmp_path_factory.mktemp("prepared")
    for scene in SCENES:
        asyncio.run(prepare(scene, homes / scene))
    return homes


@pytest.mark.parametrize("case", [*some_cases(0), *map(mixed_case, range(1, 3))], ids=str)
async def test_no_bar_is_lost_without_being_told(case: Case, prepared: Path, tmp_path: Path) -> None:
    assert problems(await play(case, tmp_path, prepared=prepared / case.scene)) == []
