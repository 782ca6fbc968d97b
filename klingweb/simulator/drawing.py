"""The process that draws: a wish a line in, its PNG out, for as long as somebody listens."""

import io
import json
import os
import sys
from dataclasses import asdict, dataclass

LENGTH_BYTES = 8
NICENESS = 10


@dataclass(frozen=True)
class Wish:
    """Everything a picture depends on. `long_edge` is in pixels."""

    prompt: str
    aspect_ratio: str
    index: int
    long_edge: int
    model: str = ""
    plain: bool = False

    def as_line(self) -> bytes:
        """The form in which it travels to the drawing process."""
        return json.dumps(asdict(self)).encode() + b"\n"


def render(wish: Wish) -> bytes:
    """Draw one PNG."""
    # Imported where it is drawn: the serving process stays small and starts fast.
    from klingweb.simulator import artwork

    if wish.plain:
        edge = wish.long_edge
        image = artwork.plain(wish.prompt, wish.aspect_ratio, wish.index, long_edge=edge)
    else:
        image = artwork.draw(
            wish.prompt,
            wish.aspect_ratio,
            wish.index,
            long_edge=wish.long_edge,
            model=wish.model,
        )
    held = io.BytesIO()
    image.save(held, "PNG")
    return held.getvalue()


def main() -> None:
    """Draw until the other end of the pipe is gone."""
    os.nice(NICENESS)
    for line in sys.stdin.buffer:
        png = render(Wish(**json.loads(line)))
        try:
            sys.stdout.buffer.write(len(png).to_bytes(LENGTH_BYTES) + png)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # At once: an ordinary exit would try to flush again, and complain.
            os._exit(0)


if __name__ == "__main__":
    main()
