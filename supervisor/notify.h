#pragma once

/* Tells the service manager ("READY=1", "STOPPING=1") at address, the value of $NOTIFY_SOCKET; nothing where
 * it is NULL. */
void notify_send(const char *address, const char *text);
