"""Certificates for the control socket between hosts, by openssl: a CA, and whoever it makes them for."""
import os
import subprocess
from pathlib import Path


class Certificates:
    """A CA, and whoever it makes certificates for."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir()
        self.folder.chmod(0o755)
        self._run(f"openssl req -x509 {self.NEW} -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem")

    NEW = "-batch -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"

    def _run(self, command):
        subprocess.run(command.split(), cwd=self.folder, check=True, capture_output=True)

    def make(self, file, cn, ou=None, san="DNS:localhost", owner=None):
        """The settings that name them."""
        (self.folder / "ext").write_text(f"subjectAltName={san}\nextendedKeyUsage=serverAuth,clientAuth\n")
        self._run(f"openssl req {self.NEW} -subj /CN={cn}{'/OU=' + ou if ou else ''} -keyout {file}.key -out {file}.csr")
        self._run(f"openssl x509 -req -in {file}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out {file}.pem")
        (self.folder / f"{file}.key").chmod(0o640)
        if os.geteuid() == 0:
            uid, gid = owner or (59999 - 1000, 59999 - 1000)
            os.chown(self.folder / f"{file}.key", uid, gid)
        return {f"ssl-{k}": self.folder / v for k, v in (("ca", "ca.pem"), ("cert", f"{file}.pem"), ("key", f"{file}.key"))}


def options(settings):
    return [x for k, v in settings.items() for x in (f"--{k}", str(v))]
