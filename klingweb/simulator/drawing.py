"""Draws pictures in a process of its own: one JSON request per input line, one PNG per request.

Each PNG on standard output follows its length as a big-endian number of `LENGTH_BYTES` bytes.
"""

import io
import json
import os
import sys
from dataclasses import asdict, dataclass

LENGTH_BYTES = 8
NICENESS = 10


@dataclass(frozen=True)
class DrawingRequest:
    """Everything a picture depends on. `long_edge` is in pixels.

    `plain` asks for a gradient that is cheap to draw, for load tests.
    """

    prompt: str
    aspect_ratio: str
    index: int
    long_edge: int
    model: str = ""
    plain: bool = False

    def to_json_line(self) -> bytes:
        """Return the request as the drawing process reads it."""
        return json.dumps(asdict(self)).encode() + b"\n"


def render(request: DrawingRequest) -> bytes:
    """Draw one picture and return it as PNG."""
    # Imported here, so that the server process does not load numpy.
    from klingweb.simulator import artwork

    if request.plain:
        image = artwork.plain(
            request.prompt, request.aspect_ratio, request.index, long_edge=request.long_edge
        )
    else:
        image = artwork.draw(
            request.prompt,
            request.aspect_ratio,
            request.index,
            long_edge=request.long_edge,
            model=request.model,
        )
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def main() -> None:
    """Draw until either pipe is closed."""
    os.nice(NICENESS)
    for line in sys.stdin.buffer:
        png = render(DrawingRequest(**json.loads(line)))
        try:
            sys.stdout.buffer.write(len(png).to_bytes(LENGTH_BYTES) + png)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # A normal exit would flush again and print another error.
            os._exit(0)


if __name__ == "__main__":
    main()
