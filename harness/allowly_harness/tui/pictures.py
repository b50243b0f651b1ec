"""Pictures of a result: what they are always, and drawn in half blocks where Pillow is installed.

The decoder sees a picture only after its size, in bytes and in pixels, was read from its header and
found small enough, and only for four formats. It runs in a thread, so that the keys go on working.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import warnings
from collections.abc import Sequence
from io import BytesIO
from typing import Any, ClassVar, Final

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from allowly_harness.display.contents import ResultImage
from allowly_harness.display.sanitize import Shown, joined, plain
from allowly_harness.tui.chrome import KeyLine
from allowly_harness.tui.lines import content

MAX_BYTES: Final = 8 * 1024 * 1024
"""Largest picture that is decoded, in bytes."""

MAX_PIXELS: Final = 16_000_000
"""Largest picture that is decoded, in pixels, as its header has it."""

DRAW_SECONDS: Final = 10.0
"""How long decoding is waited for, in seconds."""

FORMATS: Final = ("PNG", "JPEG", "GIF", "WEBP")

Pixel = tuple[int, int, int]


class NotDrawn(Exception):
    """A picture cannot be drawn; the text says why."""


def pixels_of(image: ResultImage, columns: int, rows: int) -> list[list[Pixel]]:
    """Decode a picture and shrink it to at most `columns` times `rows` pixels.

    Raises:
        NotDrawn: Pillow is not there, the picture is too large or broken.
    """
    if image.width is None or image.height is None or image.size is None:
        raise NotDrawn("its size cannot be read")
    if image.size > MAX_BYTES or image.width * image.height > MAX_PIXELS:
        raise NotDrawn(f"more than {MAX_BYTES // 1024 // 1024} MiB or {MAX_PIXELS // 1_000_000} million pixels")
    try:
        pillow: Any = importlib.import_module("PIL.Image")
    except ImportError:
        raise NotDrawn("the package Pillow is not installed beside this program") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pillow.open(BytesIO(base64.b64decode(image.data)), formats=FORMATS) as opened:
                _check_size(opened.width * opened.height)
                opened.draft("RGB", (columns * 2, rows * 2))
                small = opened.convert("RGBA")
                small.thumbnail((columns, rows))
                ground = pillow.new("RGBA", small.size, (0, 0, 0, 255))
                shown = pillow.alpha_composite(ground, small).convert("RGB")
    except NotDrawn:
        raise
    except Exception as error:  # noqa: BLE001 - a decoder fails in any way on hostile data
        raise NotDrawn(f"it cannot be decoded: {type(error).__name__}") from None
    data, width = shown.tobytes(), shown.width
    flat = [(data[at], data[at + 1], data[at + 2]) for at in range(0, len(data), 3)]
    return [flat[at : at + width] for at in range(0, len(flat), width)]


def _check_size(pixels: int) -> None:
    # Again by the decoder's own account: our reading of the header and its may differ.
    if pixels > MAX_PIXELS:
        raise NotDrawn("its size is not what its header says")


class PictureView(Widget):
    """Draws pixels, two on top of each other in each character."""

    DEFAULT_CSS = "PictureView { height: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self._pixels: list[list[Pixel]] = []

    def show(self, pixels: list[list[Pixel]]) -> None:
        """Draw these."""
        self._pixels = pixels
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Render two rows of pixels."""
        width = self.size.width
        if 2 * y >= len(self._pixels):
            return Strip.blank(width, self.rich_style)
        above = self._pixels[2 * y]
        below = self._pixels[2 * y + 1] if 2 * y + 1 < len(self._pixels) else [(0, 0, 0)] * len(above)
        segments = [
            Segment("\u2580", Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower)))
            for upper, lower in zip(above, below, strict=True)
        ]
        return Strip(segments).adjust_cell_length(width, self.rich_style)


class PicturePage(ModalScreen[None]):
    """Shows the pictures of a result, one at a time."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,i", "close", show=False),
        Binding("n,space,right", "turn(1)", show=False),
        Binding("left", "turn(-1)", show=False),
    ]
    DEFAULT_CSS = """
    PicturePage .frame { border: round $border; border-title-color: $text-accent; padding: 0 1;
                         background: $background; }
    PicturePage .facts { height: auto; color: $text-muted; }
    """

    def __init__(self, images: Sequence[ResultImage]) -> None:
        super().__init__()
        self._images = images
        self._number = 0

    def compose(self) -> ComposeResult:
        """Compose facts, picture and keys."""
        with Vertical(classes="frame"):
            yield Static(Content(""), classes="facts", markup=False)
            yield PictureView()
        yield KeyLine()

    def on_mount(self) -> None:
        """Show the first one."""
        more = [("n", "next")] if len(self._images) > 1 else []
        self.query_one(KeyLine).show([*more, ("esc", "close")])
        self.call_after_refresh(self._draw)

    def on_resize(self) -> None:
        """Draw in the new size."""
        self.call_after_refresh(self._draw)

    def action_close(self) -> None:
        """Go back."""
        self.dismiss(None)

    def action_turn(self, by: int) -> None:
        """Go to another picture."""
        self._number = (self._number + by) % len(self._images)
        self._draw()

    def _draw(self) -> None:
        image = self._images[self._number]
        self.query_one(".frame", Vertical).border_title = Content(
            f" PICTURE {self._number + 1} of {len(self._images)} "
        )
        self._say(image, "")
        self._decode(image)

    @work(exclusive=True, exit_on_error=False)
    async def _decode(self, image: ResultImage) -> None:
        view = self.query_one(PictureView)
        view.show([])
        if self.app.no_color:
            self._say(image, "not drawn: colours are switched off")
            return
        size = view.size
        try:
            async with asyncio.timeout(DRAW_SECONDS):
                pixels = await asyncio.to_thread(pixels_of, image, max(1, size.width), max(1, size.height * 2))
        except (NotDrawn, TimeoutError) as error:
            self._say(image, f"not drawn: {error or 'it takes too long'}")
        else:
            view.show(pixels)

    def _say(self, image: ResultImage, more: str) -> None:
        size = "broken base64" if image.size is None else f"{image.size:,} bytes"
        pixels = f", {image.width:,} x {image.height:,} pixels" if image.width and image.height else ""
        facts: list[Shown | str] = [image.format or "unknown format", ', as the server says "', image.mime_type, '", ']
        text = joined([*facts, f"{size}{pixels}"])
        shown = content(text)
        self.query_one(".facts", Static).update(shown + Content(f"\n{plain(more, 200)}") if more else shown)
