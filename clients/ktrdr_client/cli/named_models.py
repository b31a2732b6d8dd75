"""Find the trainings whose models the words on a command line mean."""

from typing import Final

from ktrdr_client.cli.resolve import Among
from ktrdr_client.models.model import NEWEST_FIRST, WITH_MODELS

MODELS: Final = Among(WITH_MODELS, NEWEST_FIRST, "there are no models yet; train one: ktrdr train STRATEGY.yaml")
"""Operations that have a model."""
