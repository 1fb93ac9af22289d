"""The usual task.yaml of a test: one source `one`, one schema, from a copy on."""
from servers import PASSWORD, USER

TASK = """
name: moved
task-mode: all
target-database: {{host: 127.0.0.1, port: {port}, user: {user}, password: "{password}"}}
mysql-instances: [{{source-id: one, block-allow-list: app}}]
block-allow-list:
  app: {{do-dbs: ["app"]}}
"""


def task(port, user=USER, password=PASSWORD):
    return TASK.format(port=port, user=user, password=password)
