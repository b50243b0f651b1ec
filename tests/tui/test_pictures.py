"""Pictures of a result, drawn with the decoder that the extra `images` brings."""

import base64
from io import BytesIO
from types import SimpleNamespace

import pytest
from PIL import Image

from allowly_harness.display.results import images_of
from allowly_harness.tui.pictures import MAX_PIXELS, NotDrawn, pixels_of


def encoded(image: Image.Image, kind: str = "PNG") -> str:
    file = BytesIO()
    image.save(file, kind)
    return base64.b64encode(file.getvalue()).decode()


@pytest.fixture
def picture():
    """Make the picture of a result from its base64 data."""

    def make(data: str):
        block = SimpleNamespace(type="image", data=data, mime_type="image/png")
        (image,) = images_of(SimpleNamespace(content=[block], is_error=False, structured_content=None, meta=None))
        return image

    return make


@pytest.mark.parametrize("kind", ["PNG", "GIF", "JPEG", "WEBP"])
def test_a_picture_becomes_pixels_that_fit_the_place(picture, kind) -> None:
    image = picture(encoded(Image.new("RGB", (40, 20), (255, 0, 0)), kind))

    pixels = pixels_of(image, 10, 10)

    assert (len(pixels), len(pixels[0])) == (5, 10)
    red, green, blue = pixels[0][0]
    assert red > 240
    assert green < 15
    assert blue < 15


def test_what_can_be_seen_through_is_drawn_on_black(picture) -> None:
    image = picture(encoded(Image.new("RGBA", (4, 4), (255, 255, 255, 0))))

    assert pixels_of(image, 4, 4) == [[(0, 0, 0)] * 4] * 4


def test_a_header_that_names_too_many_pixels_is_not_decoded(picture) -> None:
    data = bytearray(base64.b64decode(encoded(Image.new("RGB", (4, 4)))))
    data[16:24] = (100_000).to_bytes(4, "big") * 2
    image = picture(base64.b64encode(data).decode())

    with pytest.raises(NotDrawn, match=f"{MAX_PIXELS // 1_000_000} million"):
        pixels_of(image, 10, 10)


def test_a_broken_picture_is_said_to_be_broken(picture) -> None:
    data = base64.b64decode(encoded(Image.new("RGB", (40, 40), (1, 2, 3))))
    image = picture(base64.b64encode(data[:40] + b"\x00" * 20).decode())

    with pytest.raises(NotDrawn, match="cannot be decoded"):
        pixels_of(image, 10, 10)
