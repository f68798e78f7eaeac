// Package monitor is the monitoring page: what the service does now, and what an operator can do about it.
//
//	browser ──GET /monitor/data, once a second while it is looked at──► Monitor ──► sample, at most one a second
//	                                                                       │          ├─ probe: Redis     each with its own
//	        ◄──── pages, rendered here; charts drawn by the browser ───────┘          ├─ probe: database  short timeout
//	                                                                                  └─ probe: search
//
// Nothing is read while nobody looks. However many look at the overview, each pod reads once a second and they share what it read. An
// engine is asked one question at a time, for a second at most, and one that hangs holds up no other: what is known of the rest is
// shown.
package monitor
