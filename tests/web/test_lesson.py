"""The lesson of docs/exercises/teachers.md, played as it is written: the real command, a teacher and two students.

    TENGE_TOUR=write pytest tests/web/test_lesson.py    take the pictures of docs/exercises/lesson/ anew

A normal run takes the pictures too and compares them, as the tour does (`tests/web/test_tour.py`).
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import ROOT
from tests.site.process import served
from tests.web.test_tour import Tour
from tests.web.test_wallet_offline import pay_by_sheets
from tests.web.wallet_site import EXPECTED, Person

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGE = ROOT / "docs/exercises/teachers.md"
FOLDER = ROOT / "docs/exercises/lesson"
WITH_CODE = ("seats", "nine-checks")
PROJECTOR = {"width": 1100, "height": 1000}
# A certificate that no browser knows: the page works, its service worker does not (docs/classroom.md).
_UNKNOWN_AUTHORITY = re.compile("certificate|ServiceWorker", re.IGNORECASE)


class Class:
    """The command that runs, its address, and the passcode that it printed for the teacher."""

    def __init__(self, process: subprocess.Popen[str], port: int, lines: list[str]) -> None:
        self.url = f"https://localhost:{port}"
        self.passcode = ""
        self._process = process
        self.read(lines)

    def read_on(self) -> None:
        """Wait for the passcodes of a new act."""
        assert self._process.stdout is not None
        lines = [self._process.stdout.readline()]
        while lines[-1] and not lines[-1].lstrip().startswith("operator"):
            lines.append(self._process.stdout.readline())
        self.read(lines)

    def read(self, lines: list[str]) -> None:
        """The passcode among the lines of the terminal."""
        found = re.search(r"operator\s+operator\s+(\d{6})", "\n".join(lines))
        assert found is not None
        self.passcode = found[1]


class Student(Person):
    """A student with a phone: the class's page, a name, and the wallet that it leads to."""

    def __init__(self, browser: Browser, school: Class, name: str) -> None:
        self._school = school
        super().__init__(browser, school, name, ignore_https_errors=True)  # type: ignore[arg-type]

    def visit(self, query: str = "", route: str = "") -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self._complain(str(error)))
        page.on("console", lambda said: self._complain(said.text) if said.type == "error" else None)
        page.goto(f"{self._school.url}/class/")
        return page

    def _complain(self, text: str) -> None:
        if not EXPECTED.search(text) and not _UNKNOWN_AUTHORITY.search(text):
            self.errors.append(text)

    def take_a_seat(self) -> "Student":
        """Type the name, and give the wallet a name."""
        self.page.get_by_label("Name").fill(self.user_id)
        self.button("Get my wallet")
        expect(self.page.locator("form[name=join]")).to_be_visible()
        self.send("join", name=self.user_id).heading("My money")
        return self

    def make_a_device(self) -> "Student":
        """A device that holds nothing yet."""
        self.open("along")
        self.button("Make it a device")
        expect(self.page.locator("#device-balance")).to_be_visible()
        return self

    def sync(self) -> "Student":
        """Hand in what the device has seen."""
        self.open("along")
        self.button("Sync")
        expect(self.page.get_by_text("Synced.", exact=True)).to_be_visible()
        return self


@pytest.fixture(scope="module")
def school() -> Iterator[Class]:
    with served("--class", "30") as (process, port, lines):
        yield Class(process, port, lines)


def teacher_at_the_desk(browser: Browser, school: Class) -> Page:
    """The operator of the sandbox, signed in with the printed passcode."""
    context = browser.new_context(viewport=PROJECTOR, locale="en-GB", ignore_https_errors=True)  # type: ignore[arg-type]
    page = context.new_page()
    sign_in(page, school)
    return page


def sign_in(page: Page, school: Class) -> None:
    """With the passcode that the command printed."""
    page.goto(f"{school.url}/sign-in/operator")
    page.locator("input[name=passcode]").fill(school.passcode)
    page.locator("form:has(input[name=passcode]) button").click()
    page.wait_for_url(re.compile("/operator/$"))


def look(page: Page, school: Class) -> None:
    """The teacher's page of the class, as it is now."""
    page.goto(f"{school.url}/operator/class")
    expect(page.locator("main h1")).to_be_visible()


def pay_online(payer: Student, payee: Student, amount: str) -> None:
    """By a request that the payee shows."""
    payee.open("request")
    payee.send("request", amount=amount, words="Tea")
    text = payee.page.locator("button.copy").get_attribute("data-text") or ""
    payer.open("pay")
    payer.send("whom", whom=text)
    payer.heading(re.compile("^Pay [0-9a-f]{8}"))
    payer.send("pay")
    payer.heading("Paid")
    expect(payee.page.locator(".arrived")).to_be_visible()


def who_sees_what(page: Page, school: Class) -> None:
    """The newest payment in the explorer, and the table of what each party sees of it."""
    page.goto(f"{school.url}/explorer/")
    page.locator("a[href^='/explorer/entry/']").first.click()
    page.get_by_role("link", name="What does each party see of this payment?").click()
    expect(page.locator("main table")).to_contain_text("does not see")


def the_story(stage: Page, tour: Tour) -> None:
    """The stage's story on the projector, with pictures after the second payment and after the proof."""
    stage.locator("#story-start").click()
    step = stage.locator("#story-step")
    expect(step).to_have_text("Step 0 of 12")
    for number in range(1, 13):
        stage.locator("#story-next").click()
        expect(step).to_have_text(f"Step {number} of 12")
        if number == 7:
            tour.take(stage, "one-note-twice")
        if number == 10:
            expect(stage.locator("#proofs .banner.good")).to_have_count(1)
            tour.take(stage, "the-proof")


def verified_at_home(stage: Page, folder: Path) -> None:
    """Download the proof and the root, and check them with the command, as the lesson ends."""
    files = []
    for link in ("case-1.dto", "root.dto"):
        with stage.expect_download() as waiting:
            stage.locator(f"a[href$='{link}']").first.click()
        files.append(folder / link)
        waiting.value.save_as(files[-1])
    command = [
        sys.executable,
        "-m",
        "wallets.cli",
        "evidence",
        "verify",
        str(files[0]),
        "--root",
        str(files[1]),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_lesson_as_the_page_writes_it(browser: Browser, school: Class, tmp_path: Path) -> None:
    teacher = teacher_at_the_desk(browser, school)
    tour = Tour(teacher.context.new_page(), FOLDER, WITH_CODE)
    saule, nurlan = (Student(browser, school, name).take_a_seat() for name in ("Saule", "Nurlan"))
    look(teacher, school)
    for name in ("Saule", "Nurlan"):
        expect(teacher.get_by_role("rowheader", name=name)).to_be_visible()
    tour.take(teacher, "seats")

    saule.top_up("5 000")
    pay_online(saule, nurlan, "1 000")
    who_sees_what(teacher, school)
    saule.take_along("2 000")
    nurlan.make_a_device()
    saule.open("")
    tour.take(saule.page, "wallet")

    look(teacher, school)
    teacher.locator("form[action='/operator/do/cut-class'] button").click()
    look(teacher, school)
    expect(teacher.locator("form[action='/operator/do/connect-class'] button")).to_be_visible()
    pay_by_sheets(saule, nurlan, "500", tmp_path)
    tour.take(nurlan.page, "nine-checks")
    nurlan.holds(50_000, "#on-device")
    look(teacher, school)
    teacher.locator("form[action='/operator/do/connect-class'] button").click()
    for student in (nurlan, saule):
        student.sync()

    stage = teacher.context.new_page()
    stage.goto(f"{school.url}/stage/")
    the_story(stage, tour)
    verified_at_home(stage, tmp_path)

    teacher.goto(f"{school.url}/operator/")
    teacher.locator("details summary", has_text="Begin anew").click()
    teacher.locator("form[action='/operator/do/reset'] input[name=word]").fill("RESET")
    teacher.locator("form[action='/operator/do/reset'] button").click()
    expect(teacher.get_by_role("heading", name="Sign in: Operator of the sandbox")).to_be_visible()
    school.read_on()
    sign_in(teacher, school)
    look(teacher, school)
    expect(teacher.get_by_text("Seats taken: 0 of 30.")).to_be_visible()
    for student in (saule, nurlan):
        student.close()
    compared(tour)


def compared(tour: Tour) -> None:
    """The page shows these pictures in this order, and they are as they were."""
    assert re.findall(r"\(lesson/([^)]+)\)", PAGE.read_text(encoding="utf-8")) == tour.names
    assert tour.stale() == {}, "look at them, then: TENGE_TOUR=write pytest tests/web/test_lesson.py"


def test_grades_go_to_a_spreadsheet_as_the_page_says(tmp_path: Path) -> None:
    answer = ROOT / "docs/exercises/01_forge_a_token/exercise.py"
    (tmp_path / "in").mkdir()
    shutil.copyfile(answer, tmp_path / "in" / "saule.py")
    command = [sys.executable, "-m", "wallets.cli", "exercise", "check", "forge-a-token"]
    command += ["--class", str(tmp_path / "in"), "--json", "--seed", "7"]
    ended = subprocess.run(command, capture_output=True, cwd=ROOT, check=False)
    (tmp_path / "grades.json").write_bytes(ended.stdout)
    script = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(script) == 1
    subprocess.run([sys.executable, "-W", "ignore", "-c", script[0]], cwd=tmp_path, check=True)
    rows = (tmp_path / "grades.csv").read_text(encoding="utf-8-sig").splitlines()
    assert rows[1].startswith("saule,forge-a-token,0,")
    assert rows[1].endswith(",0,not_written not_written not_written")
