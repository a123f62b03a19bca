"""Another site's page that holds the console in a frame, in a real browser: whoever is signed in would click there on what they do not see."""

import pytest
from playwright.sync_api import BrowserContext, Frame, Page, expect

from core.security.sessions import cookie_name
from tests.attacks.listener import listening
from tests.attacks.report import ControlFired, Refused
from tests.front_door.conftest import Console


def framed(page: Page, attacker: int, console: Console) -> Frame:
    """What the console's frame in the attacker's page became, once the browser has made up its mind about it."""
    with page.expect_event("framenavigated", predicate=lambda frame: frame.parent_frame is not None):
        page.goto(f"http://localhost:{attacker}/")
    return next(frame for frame in page.frames if frame.parent_frame is not None)


@pytest.mark.attack("frame")
def test_no_page_of_another_site_frames_the_console(
    console: Console, undefended: Console, context: BrowserContext, token_of, control_fired: ControlFired, refused: Refused
) -> None:  # type: ignore[no-untyped-def]
    # Another port of this machine is another origin, and to the browser the same site: the cookie comes along, which is the worst case.
    context.add_cookies([{"name": cookie_name(), "value": token_of("manager"), "domain": "localhost", "path": "/"}])
    page = context.new_page()

    with listening(body=f'<iframe src="{undefended.url}/" width="1200" height="800" style="opacity: 0.01"></iframe>'.encode()) as attacker:
        expect(framed(page, attacker.port, undefended).get_by_text("Payments today").first).to_be_visible()
    control_fired("a page of the attacker's held the manager's dashboard in a frame")

    with listening(body=f'<iframe src="{console.url}/" width="1200" height="800" style="opacity: 0.01"></iframe>'.encode()) as attacker:
        refusals: list[str] = []
        page.on("console", lambda message: refusals.append(message.text))
        frame = framed(page, attacker.port, console)
        assert frame.url.startswith("chrome-error:")
        expect(frame.get_by_text("Payments today")).to_have_count(0)
        assert any("frame-ancestors" in said for said in refusals)
    page.goto(console.url)
    expect(page.get_by_text("Payments today").first).to_be_visible()
    refused("the browser shows the frame empty, as the policy tells it; the console itself opens")
