"""What health says."""

from typing import Literal

from pydantic import BaseModel

type ServiceState = Literal["healthy", "unavailable"]


class Services(BaseModel):
    """Each part that answers need."""

    database: ServiceState
    valkey: ServiceState
    worker: ServiceState
    models: ServiceState


class Health(BaseModel):
    """The whole: "healthy" when every service is."""

    status: Literal["healthy", "degraded"]
    version: str
    environment: str
    services: Services


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"
