"""An authority that is not ours: the `openssl` program, as a hospital's or a centre's IT would run it."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_CONFIG = """
[ca]
default_ca = this
[this]
dir = {folder}
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = {digest}
default_days = 90
policy = anything
unique_subject = no
copy_extensions = {copy}
[anything]
organizationName = optional
commonName = supplied
[leaf]
basicConstraints = critical, CA:FALSE
{usage}
[sub]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
[req]
distinguished_name = name
[name]
"""

USAGE = "keyUsage = critical, digitalSignature\nextendedKeyUsage = clientAuth, serverAuth"


def openssl(*arguments: str | Path) -> bytes:
    """Run openssl; what it complains of is in the error."""
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@dataclass
class OpenSslAuthority:
    """A root, or an authority below one."""

    folder: Path
    parent: OpenSslAuthority | None = None

    @classmethod
    def create(
        cls,
        folder: Path,
        name: str = "Centre CA",
        *,
        parent: OpenSslAuthority | None = None,
        days: int = 3650,
    ) -> OpenSslAuthority:
        folder.mkdir(parents=True)
        (folder / "index.txt").touch()
        (folder / "serial").write_text("01\n")
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", folder / "ca.key")
        (folder / "openssl.cnf").write_text(
            _CONFIG.format(folder=folder, digest="sha256", copy="copy", usage=USAGE)
        )
        made = cls(folder, parent)
        csr = folder / "ca.csr"
        subject = "/CN=" + name.replace("/", r"\/")
        openssl("req", "-new", "-utf8", "-key", folder / "ca.key", "-subj", subject, "-out", csr)
        if parent is None:
            extensions = folder / "root.ext"
            extensions.write_text(
                "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
            )
            openssl(
                "x509", "-req", "-in", csr, "-signkey", folder / "ca.key", "-days", str(days),
                "-extfile", extensions, "-out", folder / "ca.pem",
            )  # fmt: skip
        else:
            (folder / "ca.pem").write_bytes(parent.sign(csr.read_text(), extensions="sub").encode())
        return made

    @property
    def pem(self) -> str:
        """Its own certificate."""
        return (self.folder / "ca.pem").read_text()

    def sign(
        self,
        csr: str,
        *,
        days: tuple[float, float] = (-1, 90),
        usage: str = USAGE,
        digest: str = "sha256",
        copy: str = "copy",
        extensions: str = "leaf",
    ) -> str:
        """Return the certificate for a request, in PEM. `days`: validity from now on."""
        (self.folder / "one.cnf").write_text(
            _CONFIG.format(folder=self.folder, digest=digest, copy=copy, usage=usage)
        )
        request, answer = self.folder / "one.csr", self.folder / "one.pem"
        request.write_text(csr)
        start, end = (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + day * 86400)) for day in days)
        openssl(
            "ca", "-batch", "-config", self.folder / "one.cnf", "-extensions", extensions, "-notext",
            "-startdate", start, "-enddate", end, "-in", request, "-out", answer,
        )  # fmt: skip
        return answer.read_text()

    def issue(
        self, folder: Path, name: str, hosts: tuple[str, ...] = ("localhost", "127.0.0.1")
    ) -> tuple[Path, Path]:
        """Make a key, and a certificate for it, with files in `folder`: what a peer of the gateway has."""
        key, csr, certificate = (folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        key.chmod(0o600)
        names = ",".join(("IP:" if host[0].isdigit() else "DNS:") + host for host in hosts)
        openssl(
            "req", "-new", "-key", key, "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}",
            "-config", self.folder / "openssl.cnf", "-out", csr,
        )  # fmt: skip
        certificate.write_text(self.sign(csr.read_text()))
        return certificate, key
