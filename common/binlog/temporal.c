/*
 * Dates and times of the wire as SQL text. Three generations: MySQL 5.0's little-endian numbers,
 * MariaDB 5.3's packed microseconds (mysql56_temporal_format=OFF), MySQL 5.6's. Zero and partial dates come
 * out as they went in. Called by literal.c.
 */
#include "common/binlog/temporal.h"

#include <stdlib.h>

#include "common/binlog/wire.h"

static const uint32_t power10[7] = {1, 10, 100, 1000, 10000, 100000, 1000000};
/* MariaDB 5.3: bytes by number of digits. */
static const uint8_t maria_time[7] = {3, 4, 4, 5, 5, 5, 6};
static const uint8_t maria_datetime[7] = {8, 6, 6, 7, 7, 7, 8};
static const uint8_t maria_timestamp[7] = {4, 5, 5, 6, 6, 7, 7};

static unsigned fraction_bytes(unsigned digits)
{
	return (digits + 1) / 2;
}

size_t temporal_size(uint8_t type, uint16_t meta)
{
	switch (type) {
	case WIRE_TIME:
		return maria_time[meta];
	case WIRE_DATETIME:
		return maria_datetime[meta];
	case WIRE_TIMESTAMP:
		return maria_timestamp[meta];
	case WIRE_DATE:
	case WIRE_NEWDATE:
		return 3;
	case WIRE_TIME2:
		return 3 + fraction_bytes(meta);
	case WIRE_DATETIME2:
		return 5 + fraction_bytes(meta);
	case WIRE_TIMESTAMP2:
		return 4 + fraction_bytes(meta);
	default:
		return 0;
	}
}

static void put_fraction(struct buf *sql, uint64_t micro, unsigned digits)
{
	if (digits > 0) {
		buf_putc(sql, '.');
		buf_put_digits(sql, micro / power10[6 - digits], digits);
	}
}

/* With the quote before it. */
static void put_date_part(struct buf *sql, uint64_t year, uint64_t month, uint64_t day)
{
	buf_putc(sql, '\'');
	buf_put_digits(sql, year, 4);
	buf_putc(sql, '-');
	buf_put_digits(sql, month, 2);
	buf_putc(sql, '-');
	buf_put_digits(sql, day, 2);
}

static void put_clock(struct buf *sql, const struct temporal *m)
{
	buf_put_digits(sql, m->hour, 2);
	buf_putc(sql, ':');
	buf_put_digits(sql, m->minute, 2);
	buf_putc(sql, ':');
	buf_put_digits(sql, m->second, 2);
}

static void put_datetime(struct buf *sql, const struct temporal *m, unsigned digits)
{
	put_date_part(sql, m->year, m->month, m->day);
	buf_putc(sql, ' ');
	put_clock(sql, m);
	put_fraction(sql, m->micro, digits);
	buf_putc(sql, '\'');
}

static void put_time(struct buf *sql, const struct temporal *m, unsigned digits)
{
	buf_puts(sql, m->negative ? "'-" : "'");
	put_clock(sql, m);
	put_fraction(sql, m->micro, digits);
	buf_putc(sql, '\'');
}

/* Seconds since 1970, UTC; civil date by the days-from-era arithmetic. 0 with 0 is the zero timestamp. */
static void read_timestamp(uint64_t seconds, uint64_t micro, struct temporal *out)
{
	uint64_t days = seconds / 86400 + 719468, era = days / 146097, doe = days % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	struct temporal m = {.hour = seconds / 3600 % 24,
		.minute = seconds / 60 % 60,
		.second = seconds % 60,
		.micro = micro};

	m.day = doy - (153 * mp + 2) / 5 + 1;
	m.month = mp < 10 ? mp + 3 : mp - 9;
	m.year = yoe + era * 400 + (m.month <= 2);
	if (seconds == 0 && micro == 0)
		m = (struct temporal){0};
	*out = m;
}

static uint64_t fraction_of(const uint8_t *p, unsigned digits)
{
	unsigned bytes = fraction_bytes(digits);

	return bytes ? wire_big_endian(p, bytes) * power10[6 - bytes * 2] : 0;
}

static void read_datetime2(const uint8_t *p, unsigned digits, struct temporal *out)
{
	uint64_t v = wire_big_endian(p, 5) & 0x7fffffffff, date = v >> 17, clock = v & 0x1ffff;
	struct temporal m = {.day = date & 31, .month = (date >> 5) % 13, .year = (date >> 5) / 13};

	m.hour = clock >> 12;
	m.minute = clock >> 6 & 63;
	m.second = clock & 63;
	m.micro = fraction_of(p + 5, digits);
	*out = m;
}

/* One biased number of whole and fraction together: a negative time with a fraction borrows from the whole.
 */
static void read_time2(const uint8_t *p, unsigned digits, struct temporal *out)
{
	unsigned bytes = fraction_bytes(digits), bits = bytes * 8;
	int64_t biased = (int64_t)wire_big_endian(p, 3 + bytes) - (INT64_C(0x800000) << bits);
	uint64_t v = (uint64_t)llabs(biased), whole = v >> bits;
	struct temporal m = {.negative = biased < 0,
		.hour = whole >> 12 & 0x3ff,
		.minute = whole >> 6 & 63,
		.second = whole & 63};

	m.micro = bytes ? (v & ((UINT64_C(1) << bits) - 1)) * power10[6 - bytes * 2] : 0;
	*out = m;
}

static void read_old_time(struct cur c, unsigned digits, struct temporal *out)
{
	struct temporal m = {0};

	if (digits > 0) {
		/* 839 hours are the zero point; units are the last digit kept. */
		int64_t zero = INT64_C(839) * 3600 * power10[digits];
		int64_t v = (int64_t)wire_big_endian(c.p, maria_time[digits]) - zero;
		uint64_t u = (uint64_t)llabs(v), seconds = u / power10[digits];

		m = (struct temporal){.negative = v < 0,
			.hour = seconds / 3600,
			.minute = seconds / 60 % 60,
			.second = seconds % 60,
			.micro = u % power10[digits] * power10[6 - digits]};
	} else {
		uint32_t raw = cur_u24(&c);
		int32_t v = raw & 0x800000 ? (int32_t)raw - 0x1000000 : (int32_t)raw;
		uint64_t u = (uint64_t)labs(v);

		m = (struct temporal){
			.negative = v < 0, .hour = u / 10000, .minute = u / 100 % 100, .second = u % 100};
	}
	*out = m;
}

static void read_old_datetime(struct cur c, unsigned digits, struct temporal *out)
{
	struct temporal m = {0};

	if (digits > 0) {
		uint64_t v = wire_big_endian(c.p, maria_datetime[digits]);

		m.micro = v % power10[digits] * power10[6 - digits];
		v /= power10[digits];
		m.second = v % 60, v /= 60;
		m.minute = v % 60, v /= 60;
		m.hour = v % 24, v /= 24;
		m.day = v % 32, v /= 32;
		m.month = v % 13, v /= 13;
		m.year = v % 10000;
	} else {
		uint64_t v = cur_u64(&c);

		m.second = v % 100, v /= 100;
		m.minute = v % 100, v /= 100;
		m.hour = v % 100, v /= 100;
		m.day = v % 100, v /= 100;
		m.month = v % 100, v /= 100;
		m.year = v % 10000;
	}
	*out = m;
}

static void read_old_timestamp(struct cur c, unsigned digits, struct temporal *out)
{
	unsigned bytes = maria_timestamp[digits] - 4u;

	if (digits == 0)
		read_timestamp(cur_u32(&c), 0, out);
	else
		read_timestamp(
			wire_big_endian(c.p, 4), wire_big_endian(c.p + 4, bytes) * power10[6 - digits], out);
}

static void read_date(struct cur c, struct temporal *out)
{
	uint32_t v = cur_u24(&c);

	*out = (struct temporal){.year = v >> 9, .month = v >> 5 & 15, .day = v & 31};
}

void temporal_read(const struct binlog_value *v, struct temporal *out)
{
	const uint8_t *p = (const uint8_t *)v->raw.p;
	struct cur c = wire_cur(v->raw);

	switch (v->type) {
	case WIRE_DATETIME2:
		read_datetime2(p, v->meta, out);
		break;
	case WIRE_TIMESTAMP2:
		read_timestamp(wire_big_endian(p, 4), fraction_of(p + 4, v->meta), out);
		break;
	case WIRE_TIME2:
		read_time2(p, v->meta, out);
		break;
	case WIRE_TIME:
		read_old_time(c, v->meta, out);
		break;
	case WIRE_DATETIME:
		read_old_datetime(c, v->meta, out);
		break;
	case WIRE_TIMESTAMP:
		read_old_timestamp(c, v->meta, out);
		break;
	default:
		read_date(c, out);
		break;
	}
}

void temporal_put(struct buf *sql, const struct binlog_value *v)
{
	struct temporal m;

	temporal_read(v, &m);
	if (v->type == WIRE_TIME || v->type == WIRE_TIME2) {
		put_time(sql, &m, v->meta);
	} else if (v->type == WIRE_DATE || v->type == WIRE_NEWDATE) {
		put_date_part(sql, m.year, m.month, m.day);
		buf_putc(sql, '\'');
	} else {
		put_datetime(sql, &m, v->meta);
	}
}
