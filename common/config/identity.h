#pragma once
#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * Who somebody is on a socket between hosts (T40): a private key, with a certificate or alone, and the proof
 * that its owner is at the other end: a signature over a number that the asked side has just made up
 * (docs/protocol.md). nng tells nothing about the peer's certificate.
 */
enum role { ROLE_AGENT = 1, ROLE_MASTER = 2, ROLE_OPERATOR = 4 };

enum { IDENTITY_NAME = 65, IDENTITY_KEY = 80, IDENTITY_NONCE = 65 };

struct identity;

/* Of certificate and key in PEM. NULL with e. */
struct identity *identity_of_pem(const char *cert, const char *key, struct err *e);
/* The own key of a member without certificate: the file is made where it is not there, 0600, in dir. */
struct identity *identity_of_file(int dir, const char *name, struct err *e);
void identity_free(struct identity **id);
/* "" without one. */
const char *identity_cert(const struct identity *id);
/* The subject's CN of its certificate; "" without one. */
const char *identity_name(const struct identity *id);
/* "ed25519:…", of one without certificate. */
const char *identity_key(const struct identity *id);
/* Appends the signature that proves the name to who made up the nonce. */
int identity_sign(
	const struct identity *id, const char *nonce, const char *name, struct buf *out, struct err *e);

/* A proof as it comes in; all borrowed, cert and key of the peer. */
struct proof {
	const char *nonce, *name;
	const char *cert; /* PEM, the own one first; "": key */
	const char *key;
	struct str signature;
};

/*
 * By certificate: one that the CA made, that is valid now and for clients, whose key made the signature, and
 * whose CN is the name. *role is by its OU: tidegate-operator, tidegate-master, else an agent's.
 */
int identity_check_cert(const struct proof *p, const char *ca, enum role *role, struct err *e);
/* By the key alone: it made the signature. Whose key it is the caller must know. */
int identity_check_key(const struct proof *p, struct err *e);
