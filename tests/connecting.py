"""pymysql.connect for the tests: they connect thousands of times, and PyMySQL reads all of the system's authorities for each connection (26 ms of
processor time), whether or not it checks a certificate by them."""
import ssl

import pymysql
from pymysql.connections import Connection


def _unchecked():
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    return c


_UNCHECKED = _unchecked()


class _Connection(Connection):
    def _create_ssl_ctx(self, sslp):
        return super()._create_ssl_ctx(sslp) if sslp else _UNCHECKED


def connect(**kw):
    """What pymysql.connect takes and gives."""
    return _Connection(**kw)
