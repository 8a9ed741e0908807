"""Who is measured, and how each is configured and started."""

import getpass
import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from processes import Program, free_port

BENCH = Path(__file__).resolve().parent.parent
CUSTOMER = "b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0"
CALLER_TOKEN = "the-only-caller-of-this-machine"

BY_TOKEN_FILE = "  token_file: @dir@/token-file"
BY_JWT = """\
  issuers:
    - name: bench
      issuer: https://issuer.invalid
      jwks: {file: @dir@/jwks.json}
      audiences: [partner-gateway]
      algorithms: [ES256, RS256]"""


@dataclass
class Programs:
    """What is run."""

    upstream: Path
    load: Path
    gateway: Path
    node: str

    @classmethod
    def of(cls, options):
        built = options.programs.resolve()
        gateway = (options.gateway or built / "partner-gateway").resolve()
        return cls(built / "upstream", built / "load", gateway, "node")


@dataclass
class Subject:
    """One row: a program in one configuration before an upstream over one scheme."""

    name: str
    kind: str
    scheme: str = "http"
    callers: str = "token"
    with_body: bool = False
    durability: str = "strict"
    # Enough for programs that are compiled before they start.
    warm_up_seconds: int = 1
    # Accounts that calls name in turns, account-0 and on; none where they name none.
    accounts: int = 0
    # What it runs under.
    under: tuple = ()
    # Put into the gateway's configuration in place of what stands there.
    changes: dict = field(default_factory=dict)

    def tokens(self, directory):
        """The file of tokens that its callers show."""
        return directory / f"callers.{self.callers}"


def all_subjects():
    """In the order of a round."""
    subjects = []
    for scheme in ("http", "https"):
        over = "" if scheme == "http" else ", HTTPS"
        subjects.append(Subject(f"upstream alone{over}", "upstream", scheme))
        subjects.append(Subject(f"nginx{over}", "nginx", scheme))
        if scheme == "http":
            subjects.append(Subject("HAProxy", "haproxy", with_body=True))
            subjects.append(Subject("Caddy", "caddy", with_body=True))
            subjects.append(Subject("Node.js", "node", warm_up_seconds=4))
        for callers, word in (("token", "token file"), ("es256", "JWT ES256"), ("rs256", "JWT RS256")):
            for durability in ("strict", "relaxed"):
                # Over HTTPS, and of the second algorithm, the row that the goals are about will do.
                if durability == "relaxed" and (scheme == "https" or callers == "rs256"):
                    continue
                if callers == "rs256" and scheme == "https":
                    continue
                name = f"gateway, {word}, {durability}{over}"
                subjects.append(Subject(name, "gateway", scheme, callers, durability=durability))
        if scheme == "http":
            subjects.append(Subject("gateway, JWT ES256 new at each call, strict", "gateway", callers="once"))
    return subjects


def prepare(directory):
    """Writes what does not change from subject to subject."""
    digest = hashlib.sha256(CALLER_TOKEN.encode()).hexdigest()
    secret(directory / "callers.token", CALLER_TOKEN)
    secret(directory / "token-file", f"caller-of-the-file:{digest}\n")
    secret(directory / "client-secret", "a-client-secret")


def secret(path, text):
    path.touch(mode=0o600)
    path.write_text(text)


class Running:
    """A subject that has answered its first call."""

    def __init__(self, subject, programs, upstream, keep_journal=False):
        self.subject, self.upstream = subject, upstream
        self.keep_journal = keep_journal
        self.directory = upstream.directory
        if subject.kind == "upstream":
            self.program = upstream.program
            self.port = int(upstream.address(subject.scheme).split(":")[1])
            self.started_seconds = None
            return
        self.port = free_port()
        self.admin_port = free_port()
        command, environment = getattr(self, f"_{subject.kind}")(programs)
        self.program = Program([*subject.under, *command], self.directory / f"{subject.kind}.log", environment)
        try:
            self.started_seconds = self.program.wait_for_answer(self.port, self._first_call())
        except RuntimeError as error:
            raise RuntimeError(f"{subject.name}: {error}") from error

    def stop(self):
        """Ends it and deletes what it wrote, which may be much."""
        if self.subject.kind == "upstream":
            return
        self.program.stop()
        for written in (f"{self.subject.kind}.log", "access.log"):
            (self.directory / written).unlink(missing_ok=True)
        shutil.rmtree(self.directory / "audit", ignore_errors=True)

    def _first_call(self):
        transfer = "00000000-0000-4000-8000-00000000000f"
        token = self.subject.tokens(self.directory).read_text().splitlines()[0]
        headers = {"Authorization": f"Bearer {token}"}
        if self.subject.accounts:
            headers["Partner-Account"] = "account-0"
        body = None
        if self.subject.with_body:
            headers["Content-Type"] = "application/json"
            body = f'{{"id":"{transfer}","status":"reject"}}'
        path = f"/transfers/{CUSTOMER}/{transfer}/reject"
        return {"method": "POST", "url": path, "headers": headers, "body": body}

    def _nginx(self, _programs):
        (self.directory / "nginx-temp").mkdir(exist_ok=True)
        return ["nginx", "-p", self.directory, "-e", "stderr", "-c", self._configured("nginx.conf")], None

    def _haproxy(self, _programs):
        return ["haproxy", "-db", "-f", self._configured("haproxy.cfg")], None

    def _caddy(self, _programs):
        return ["caddy", "run", "--adapter", "caddyfile", "--config", self._configured("Caddyfile")], {
            "HOME": str(self.directory)
        }

    def _node(self, programs):
        environment = {
            "PORT": str(self.port),
            "API": f"http://{self.upstream.http}",
            "AUTHORITY": f"https://{self.upstream.https}",
            "NODE_EXTRA_CA_CERTS": str(self.directory / "ca.pem"),
            "NODE_ENV": "production",
            "CALLER_TOKEN_FILE": str(self.directory / "callers.token"),
            "CLIENT_SECRET_FILE": str(self.directory / "client-secret"),
        }
        return [programs.node, BENCH / "node/server.mjs"], environment

    def _gateway(self, programs):
        if not self.keep_journal:
            shutil.rmtree(self.directory / "audit", ignore_errors=True)
        return [programs.gateway, "serve", "--config", self._configured("gateway.yaml")], None

    def _configured(self, name):
        """Writes a configuration with this run's addresses in it."""
        subject = self.subject
        text = (BENCH / "config" / name).read_text()
        text = text.replace("@callers@", BY_TOKEN_FILE if subject.callers == "token" else BY_JWT)
        for found, instead in subject.changes.items():
            text = text.replace(found, instead)
        values = {
            "dir": self.directory,
            "user": getpass.getuser(),
            "port": self.port,
            "admin_port": self.admin_port,
            "scheme": subject.scheme,
            "http": self.upstream.http,
            "upstream": self.upstream.address(subject.scheme),
            "durability": subject.durability,
        }
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        path = self.directory / name
        path.write_text(text)
        return path
