"""The console that is attacked: the real server of the front door's tests, and the browser of the browser's."""

from tests.browser.conftest import browser as browser
from tests.browser.conftest import context as context
from tests.front_door.conftest import add_somebody as add_somebody
from tests.front_door.conftest import console as console
from tests.front_door.conftest import console_database as console_database
from tests.front_door.conftest import running_console as running_console
from tests.front_door.conftest import token_of as token_of
