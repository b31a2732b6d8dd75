"""Each fault of the catalogue beside a load: no bar is lost, or it is said which. All of them: make faults."""

from pathlib import Path

import pytest

from tests.fault_matrix.cases import Case, mixed_case, some_cases
from tests.fault_matrix.examination import problems
from tests.fault_matrix.world import play


@pytest.mark.parametrize("case", [*some_cases(0), *map(mixed_case, range(1, 3))], ids=str)
async def test_no_bar_is_lost_without_being_told(case: Case, tmp_path: Path) -> None:
    assert problems(await play(case, tmp_path)) == []
