"""The APIs that answer a submit with the images, by path."""

from klingweb.simulator.engines.ideogram.api import API as IDEOGRAM
from klingweb.simulator.engines.images_api.api import API as IMAGES_API
from klingweb.simulator.engines.immediate import ImmediateApi

IMMEDIATE_APIS: dict[str, ImmediateApi] = {api.path: api for api in (IMAGES_API, IDEOGRAM)}
