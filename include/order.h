#pragma once
/* What the agent wants of a unit (unit_welcome, unit_order). */
enum unit_order_kind {
	ORDER_RUN = 1,  /* work */
	ORDER_STOP = 2, /* save and leave; args {"deadline_ms":n} */
	ORDER_ARGS =
		3, /* keep working; args holds something new (the relay: pins; the sync: an end position) */
};
