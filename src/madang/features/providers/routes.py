"""`/models`."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from madang.features.providers.public import default_embedding_model, list_models
from madang.kernel.http import HouseDep, Who
from madang.kernel.problems import problems

models = APIRouter(prefix="/models", tags=["models"])


class Model(BaseModel):
    """A language model that can answer. Prices are micro-USD per 1,000,000 tokens, null when they are not known."""

    id: str
    label: str
    context_tokens: int
    input_price: int | None
    output_price: int | None
    built_in: bool = Field(description="Comes with this installation: small, needs no key, costs nothing.")
    available: bool = Field(description="Set up here; its server may still be away.")


class Models(BaseModel):
    """The models, and the names of those used when none is chosen."""

    items: list[Model]
    default: str
    embedding: str


@models.get("", responses=problems(401))
async def list_all(who: Who, house: HouseDep) -> Models:
    """The language models there are."""
    found, default = await list_models(house)
    items = [Model.model_validate(info, from_attributes=True) for info in found]
    return Models(items=items, default=default, embedding=default_embedding_model())
