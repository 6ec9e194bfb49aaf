/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Happy Eyeballs (RFC 8305) as a state machine without sockets, clock and loop: which address is to be tried when. Its
 * owner reports what happens, with the time, and then asks for actions until there is nothing to do but wait:
 *
 *   results of the lookup ─────┐                       ┌─► START an attempt
 *   an attempt failed ──────────┤                       ├─► CANCEL an attempt (after a win)
 *   one is connected, secured ──┼──► emi_race_next ─────┼─► WAIT until a time, or for a report
 *   time passes ────────────────┘                       ├─► WON, FAILED: the end
 *
 * The rules:
 *
 * - Addresses of the preferred family are tried as soon as they are known. Those of the other family wait for the
 *   preferred ones, but no longer than the resolution delay.
 * - The two families alternate. Within a family, the order is the resolver's (RFC 6724).
 * - The next attempt starts when the attempt delay has passed since the last start, or at once when an attempt has
 *   failed. Starting one never ends an earlier one.
 * - The first attempt that is connected wins, and all others are cancelled. In a race of TLS, it is the first that is
 *   secured. Until then, one that is connected goes on like the others: the attempt delay does not wait for its
 *   handshake, and a handshake that fails is a failed attempt.
 * - Each address is tried at most once, and at most EMI_MOST_ATTEMPTS addresses are tried.
 * - An attempt that this machine has no descriptor or memory for says nothing about its address. While others are
 *   running, it is put back, to be started when one of them has failed, or after the attempt delay.
 */
#ifndef EMI_RACE_H
#define EMI_RACE_H

#include <stdbool.h>

#include <eventmachine/timer.h>

#include "dns/resolver.h"

#define EMI_DEFAULT_ATTEMPT_DELAY_NS (250 * EM_MILLISECONDS)
#define EMI_DEFAULT_RESOLUTION_DELAY_NS (50 * EM_MILLISECONDS)

enum { EMI_MOST_ATTEMPTS = EMI_MOST_ADDRESSES, EMI_RACE_FAMILIES = 2 };

/** The families, as indices. */
typedef enum emi_race_family { EMI_RACE_IPV6, EMI_RACE_IPV4 } emi_race_family;

typedef enum emi_attempt_state {
    EMI_ATTEMPT_CONNECTING,
    EMI_ATTEMPT_SECURING, /**< connected; its TLS handshake is not finished */
    EMI_ATTEMPT_FAILED,
    EMI_ATTEMPT_CANCELLED,
    EMI_ATTEMPT_WON
} emi_attempt_state;

/** One attempt, in the order in which they were started. */
typedef struct emi_race_attempt {
    uint8_t family; /**< emi_race_family */
    uint8_t place;  /**< among the addresses of its family */
    uint8_t state;  /**< emi_attempt_state */
    int16_t status; /**< why it has failed, an em_status */
    uint16_t system_error;
} emi_race_attempt;

/** What the lookup has found for one family. */
typedef struct emi_race_list {
    emi_addresses addresses; /**< without duplicates */
    unsigned next;           /**< the first one that was not tried */
    em_status status;        /**< of the lookup */
    bool is_known;           /**< the lookup has a result */
    bool is_excluded;        /**< its addresses are never tried */
} emi_race_list;

typedef struct emi_race_settings {
    uint64_t attempt_delay_ns;
    uint64_t resolution_delay_ns;
    em_address_family preferred; /**< EM_ADDRESS_NONE: by RFC 6724, so IPv6 in most cases */
    bool needs_tls;              /**< the first that is secured wins */
} emi_race_settings;

typedef struct emi_race {
    emi_race_settings settings;
    emi_race_list lists[EMI_RACE_FAMILIES]; /* by emi_race_family */
    emi_race_attempt attempts[EMI_MOST_ATTEMPTS];
    unsigned attempt_count;
    unsigned running;        /* attempts that are connecting or being secured */
    int winner;              /* -1: none yet */
    bool is_held;            /* nothing is started for now */
    bool has_first_choice;   /* an address that worked before is to be tried first */
    em_status shortage;      /* why the last attempt was put back; EM_OK: it was not */
    uint64_t first_known_ns; /* when the first addresses became known */
    uint64_t next_start_ns;  /* not before this, once one has started */
} emi_race;

typedef enum emi_race_action {
    EMI_RACE_START,  /**< start the attempt `attempt` */
    EMI_RACE_CANCEL, /**< end the attempt `attempt`, which has lost */
    EMI_RACE_WAIT,   /**< until `until_ns`, or for the next report; UINT64_MAX: only for that */
    EMI_RACE_WON,    /**< `attempt` has won */
    EMI_RACE_FAILED  /**< nothing is left to try; see emi_race_reason */
} emi_race_action;

typedef struct emi_race_step {
    emi_race_action action;
    unsigned attempt;
    uint64_t until_ns;
} emi_race_step;

/** Begins a race without addresses. The memory need not be zeroed. */
void emi_race_begin(emi_race *race, const emi_race_settings *settings);

/** Excludes a family: its addresses are never tried. */
void emi_race_exclude(emi_race *race, emi_race_family family);

/** Holds a race back, or lets it go on. While it is held, nothing is started. */
void emi_race_hold(emi_race *race, bool is_held);

/** Reports the result of the lookup for a family: EM_OK with addresses, or a failure. */
void emi_race_resolved(emi_race *race, emi_race_family family, em_status status, const emi_addresses *addresses,
                       uint64_t now_ns);

/** Lets an address be tried first, if it is among the known ones and nothing has been started. */
void emi_race_try_first(emi_race *race, const em_address *address);

/** Reports that a running attempt has failed. */
void emi_race_failed(emi_race *race, unsigned attempt, em_status status, uint64_t now_ns);

/** The attempt that was started last could not be made, because something is exhausted on this machine. It is put back,
 * so that its number and its address are used again, or has failed if no other one is running. */
void emi_race_put_back(emi_race *race, unsigned attempt, em_status status, uint64_t now_ns);

/** Reports that a running attempt is connected. The first one wins, or is to be secured next if the race needs TLS. */
void emi_race_connected(emi_race *race, unsigned attempt);

/** Reports that the handshake of an attempt is finished and the peer verified. The first one wins. */
void emi_race_secured(emi_race *race, unsigned attempt);

/** Whether an attempt has neither won nor lost. */
static inline bool emi_race_is_running(const emi_race *race, unsigned attempt)
{
    return race->attempts[attempt].state <= EMI_ATTEMPT_SECURING;
}

/** Whether an attempt is connected, and its handshake is not finished. */
static inline bool emi_race_is_securing(const emi_race *race, unsigned attempt)
{
    return race->attempts[attempt].state == EMI_ATTEMPT_SECURING;
}

/** Returns what is to be done next. To be called again until the action is WAIT, WON or FAILED. */
emi_race_step emi_race_next(emi_race *race, uint64_t now_ns);

/** Returns the address of an attempt. */
const em_address *emi_race_address(const emi_race *race, unsigned attempt);

/** Returns why a race has failed: the most telling status of its attempts or, if there were none, of its lookup.
 * system_error: set to the system's error number behind it. */
em_status emi_race_reason(const emi_race *race, int *system_error);

/** Whether this status means that a lookup has failed, and not just found nothing. */
bool emi_is_lookup_failure(em_status status);

/** Whether there is a known address that may still be tried. */
bool emi_race_has_candidate(const emi_race *race);

/** The index of the family of an address, which is IPv4 or IPv6. */
static inline emi_race_family emi_race_family_of(const em_address *address)
{
    return em_address_get_family(address) == EM_ADDRESS_IPV6 ? EMI_RACE_IPV6 : EMI_RACE_IPV4;
}

#endif
