#pragma once

enum { DOOR_WAITING = 256, DOOR_MS = 15000, DOOR_FROM = 72, DOOR_SHARE = 4 };

/*
 * Connections by TCP that libnng has accepted, and that have not come through its handshake: DOOR_WAITING of
 * them at a time, DOOR_MS each; the oldest is hung up on. For all listeners of the process. By unix sockets:
 * of each user but root and our own one DOOR_SHARE-th of the descriptors; one more is closed at once.
 */

/* The connection from "HOST:PORT" or "[HOST]:PORT" has come through: it may stay. From any thread. */
void door_let_in(const char *from);
