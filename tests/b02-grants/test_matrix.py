"""Each unit's privileges alone, each of them missing in turn, the account's own or a role's: what check-task says, cell by cell."""
import pytest
from grants import make_user, privileges, statements
from looked import Looked

# Without these the unit can do nothing; without others only something is less good, or what there is none of.
NEVER = {"upstream": {"SELECT", "RELOAD", "REPLICATION SLAVE", "REPLICATION CLIENT", "BINLOG MONITOR"},
         "downstream": {"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "TRIGGER"}}
# units whose statements are put together, side, mode
CELLS = [(["dump"], "upstream", "full"), (["relay", "sync"], "upstream", "incremental"), (["relay", "dump", "sync"], "upstream", "all"),
         (["load"], "downstream", "full"), (["sync"], "downstream", "incremental"), (["load", "sync"], "downstream", "all")]
USER, ROLE = "tgtestunit", "tgtestunitrole"


@pytest.fixture
def look(make_pair, job, bin_dir):
    made = []

    def make(name):
        other = "my97" if name != "my97" else "ma1011"
        for up, down in ((name, other), (other, name)):
            k = Looked(bin_dir, job, make_pair(up, down))
            made.append(k.source if up == name else k.target)
            made[-1].run(f"CREATE ROLE IF NOT EXISTS {ROLE}")
            yield ("upstream" if up == name else "downstream"), k
            k.job.close()
    yield make
    for s in made:
        s.run(f"DROP ROLE IF EXISTS {ROLE}")


class Account:
    """Has all that the statements give, itself or by a role."""

    def __init__(self, server, sqls, by_role, default=True):
        self.server, self.who = server, ROLE if by_role else f"{USER}@'%'"
        make_user(server, USER, [])
        server.run(f"DROP ROLE {ROLE}", f"CREATE ROLE {ROLE}", *[s.replace(f"'{USER}'@'%'", self.who) for s in sqls])
        if by_role:
            server.run(f"GRANT {ROLE} TO {USER}@'%'")
        if by_role and default:
            server.run(f"SET DEFAULT ROLE {ROLE} {'FOR' if server.flavor == 'mariadb' else 'TO'} {USER}@'%'")

    def without(self, privilege, on):
        self.server.run(f"REVOKE {privilege} ON {on} FROM {self.who}")

    def again(self, privilege, on):
        self.server.run(f"GRANT {privilege} ON {on} TO {self.who}")


def fails(found):
    return {item: rest for item, rest in found.items() if rest[0] == "fail"}


@pytest.mark.long
@pytest.mark.parametrize("name", ["ma102", "ma105", "ma1011", "ma114", "ma118", "my97"])
def test_units(name, look, bin_dir):
    wrong, cells = [], 0
    for side, k in look(name):
        server = k.source if side == "upstream" else k.target
        make_user(server, USER, [])
        if side == "upstream":
            k.also(server, "unit", USER)
        asked = {"source": "unit"} if side == "upstream" else {"user": USER}
        for units, _, mode in (c for c in CELLS if c[1] == side):
            sqls = list(dict.fromkeys(s for u in units for s in statements(bin_dir, server, side, user=USER, unit=u)))
            for by_role in (False, True):
                account = Account(server, sqls, by_role)
                where = f"{name} {side} {'+'.join(units)} {'role' if by_role else 'own'}"
                found, cells = k.found(mode=mode, **asked), cells + 1
                if fails(found):
                    wrong.append(f"{where}: all there: {found}")
                for privilege, on in dict.fromkeys(privileges(sqls)):
                    if privilege.startswith("ALL"):
                        continue
                    account.without(privilege, on)
                    found, cells = k.found(mode=mode, **asked), cells + 1
                    bad = fails(found)
                    # What a role gives is on no list: no table and no TRIGGER is seen, which may be right.
                    unsure = by_role and (privilege == "TRIGGER" or units == ["relay", "sync"] and privilege == "SELECT")
                    # A copy that nothing follows needs no position: it is told that it will have none.
                    unsure = unsure or units == ["dump"] and privilege in ("REPLICATION CLIENT", "BINLOG MONITOR")
                    told = unsure and any(privilege in r[1] + r[2] for r in found.values()) or any(f"lacks {privilege}" in r[1] and f"GRANT {privilege}" in r[2] for r in bad.values())
                    if privilege in NEVER[side] and not told or privilege not in NEVER[side] and bad:
                        wrong.append(f"{where}: without {privilege}: {found}")
                    account.again(privilege, on)
            Account(server, sqls, True, default=False)
            found, cells = fails(k.found(mode=mode, **asked)), cells + 1
            if not any("SET DEFAULT ROLE" in r[2] for r in found.values()):
                wrong.append(f"{name} {side} {'+'.join(units)} role that is not in force: {found}")
    assert not wrong, f"{len(wrong)} of {cells}\n" + "\n".join(wrong)
    assert cells > 60
