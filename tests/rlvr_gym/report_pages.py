"""A report as a person sees it in a browser, and what a person does with it."""

import re
from collections.abc import Callable

from selenium.webdriver.support.ui import WebDriverWait


class Page:
    """A report as a person sees and uses it."""

    def __init__(self, browser) -> None:
        self.browser = browser

    def find(self, css: str) -> list:
        """The elements that can be seen."""
        return [found for found in self.browser.find_elements("css selector", css) if found.is_displayed()]

    def text(self, css: str) -> str:
        (found,) = self.find(css)
        return found.text

    def settle(self) -> None:
        """Wait until the rows are drawn that a scrolled list shows: it is told in one frame, and draws in the next."""
        self.browser.execute_async_script(
            "const frame = requestAnimationFrame, done = arguments[0]; frame(() => frame(() => frame(done)))"
        )

    def click(self, css: str) -> None:
        self.find(css)[0].click()
        self.settle()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.browser.switch_to.active_element.send_keys(key)
        self.settle()

    def search(self, words: str) -> None:
        self.type("#search", words)

    def type(self, css: str, words: str) -> None:
        (box,) = self.find(css)
        box.clear()
        box.send_keys(words)
        self.settle()

    def button(self, words: str) -> None:
        """Click the button that says these words."""
        (found,) = [button for button in self.find("button") if button.text == words]
        found.click()
        self.settle()

    def rows(self) -> list[str]:
        """The first lines of the rows that are drawn, from the top."""
        rows = sorted(self.find("#list .row"), key=lambda row: row.location["y"])
        return [row.find_element("css selector", ".where").text.replace("\n", " ") for row in rows]

    @property
    def selected(self) -> str:
        """The selected row: its task, number and outcome."""
        return self.find("#list .row[aria-selected='true'] .where")[0].text.replace("\n", " ")

    def colour(self, css: str, what: str = "background-color") -> tuple[int, ...]:
        found = self.find(css)[0].value_of_css_property(what)
        return tuple(int(part) for part in re.findall(r"\d+", found)[:3])

    def becomes(self, what: Callable[[], bool]) -> bool:
        """Wait for what the browser does in its own time, a change of the system's colours for one."""
        WebDriverWait(self.browser, 10).until(lambda _: what())
        return True

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.browser.get_log("browser")]
