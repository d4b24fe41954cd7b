# SPDX-License-Identifier: BSD-3-Clause
"""What the cases in a browser share: a headless Chromium, and an nbdstream to look at."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait
import nbd

sys.dont_write_bytecode = True

TOP = pathlib.Path(__file__).resolve().parents[2]
NBDSTREAM = os.environ.get("NBDSTREAM", str(TOP / "build/release/bin/nbdstream"))
MiB = 1 << 20
PATIENCE = 30  # seconds, for any wait
CASE = 150  # seconds, for a case

# The last ones keep it from asking the network for what it might need some day.
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--disable-lcd-text", "--hide-scrollbars", "--no-first-run", "--disable-quic",
         "--disable-sync", "--disable-background-networking", "--disable-component-update")


def too_late(*_) -> None:
    raise TimeoutError("the deadline of the case has passed")


def start_browser() -> webdriver.Chrome:
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


class Server:
    """An nbdstream that serves `exports`, each a dictionary of what TOML may say, on the socket
    `nbd` and, for browsers, on `port`."""

    def __init__(self, directory: pathlib.Path, exports: list[dict], port: int = 0):
        self.directory = directory
        config = ["[server]", 'listen = ["unix:nbd"]', 'control = "ctl"',
                  'metrics = "127.0.0.1:{}"'.format(port)]
        for e in exports:
            config += ["[[export]]"]
            config += ["{} = {}".format(k, json.dumps(v)) for k, v in e.items() if k != "sink"]
            config += ["[export.sink]"]
            config += ["{} = {}".format(k, json.dumps(v)) for k, v in e["sink"].items()]
        (directory / "nbdstream.toml").write_text("\n".join(config) + "\n")
        with open(directory / "log", "w") as log:
            self.process = subprocess.Popen(
                [NBDSTREAM, "--config", "nbdstream.toml", "--pidfile", "ready"], cwd=directory,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def address(self) -> str:
        """Once it listens."""
        self.port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", self.words()).group(1))
        return "http://127.0.0.1:{}/".format(self.port)

    def ready(self) -> bool:
        assert self.process.poll() is None, self.words()
        return (self.directory / "ready").exists()

    def words(self) -> str:
        return (self.directory / "log").read_text()

    def status(self) -> dict:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("GET", "/v1/status")
            return json.load(connection.getresponse())

    def tell(self, path: str, body: str) -> int:
        """POST to the control socket. Returns the status."""
        connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection.sock:
            connection.sock.settimeout(PATIENCE)
            connection.sock.connect(str(self.directory / "ctl"))
            connection.request("POST", path, body.encode(), {"Content-Type": "text/plain"})
            return connection.getresponse().status

    def client(self, export: str) -> nbd.NBD:
        client = nbd.NBD()
        client.set_export_name(export)
        client.connect_unix(str(self.directory / "nbd"))
        return client

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


class BrowserTest(unittest.TestCase):
    """A browser, which all cases of a class share. A case that leaves an error in its console, or
    a policy that was offended, fails."""

    @classmethod
    def setUpClass(cls) -> None:
        signal.signal(signal.SIGALRM, too_late)
        signal.alarm(CASE)
        cls.browser = start_browser()
        cls.addClassCleanup(cls.browser.quit)

    def setUp(self) -> None:
        signal.alarm(CASE)
        self.addCleanup(signal.alarm, 0)
        temporary = tempfile.TemporaryDirectory(prefix="nbdstream-")
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)
        self.forgiven = None
        self.addCleanup(self.check_console)
        self.addCleanup(self.browser.get, "about:blank")
        self.look(width=1200)

    def check_console(self) -> None:
        said = [line["message"] for line in self.browser.get_log("browser")
                if line["level"] in ("SEVERE", "WARNING")]
        if self.forgiven:
            said = [line for line in said if self.forgiven not in line]
        self.assertEqual(said, [])

    # ---- the server

    def serve(self, *exports: dict, port: int = 0) -> Server:
        """And opens its page."""
        (self.directory / "ready").unlink(missing_ok=True)
        server = Server(self.directory, list(exports), port)
        self.addCleanup(lambda: server.process.poll() is None and server.end())
        self.wait_until(server.ready)
        self.address = server.address()
        return server

    def open(self) -> None:
        self.browser.get(self.address)

    # ---- how it is looked at

    def cdp(self, command: str, **arguments) -> dict:
        return self.browser.execute_cdp_cmd(command, arguments)

    def look(self, width: int, height: int = 900, scheme: str = "light", scale: int = 1,
             script: bool = True) -> None:
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=scale, mobile=False)
        self.cdp("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme}])
        self.cdp("Emulation.setScriptExecutionDisabled", value=not script)

    def run_script(self, script: str, *arguments: object) -> object:
        return self.browser.execute_script(script, *arguments)

    # ---- what is seen

    def find(self, selector: str):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector: str) -> list:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def cell(self, name: str, export: int = 1):
        return self.find("#exports tbody tr:nth-child({}) [data-f={}]".format(export, name))

    def words(self, selector: str) -> str:
        """As they are seen."""
        return self.find(selector).text

    def wait_until(self, happened) -> None:
        WebDriverWait(self.browser, PATIENCE, 0.05).until(lambda _: happened())

    def wait_for_words(self, element, expected: str) -> None:
        try:
            self.wait_until(lambda: expected in element.text)
        except Exception:
            self.fail("{!r} is not there after {} s, but {!r}".format(
                expected, PATIENCE, element.text))
