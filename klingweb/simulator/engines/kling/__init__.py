"""The Kling image generation API as resold by a gateway (docs/upstream.md)."""

PATH = "/kling/v1/images/generations"
