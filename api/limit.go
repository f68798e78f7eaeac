package api

import (
	"context"
	"errors"
	"math"
	"time"
)

// Limiter counts requests of clients over all processes.
type Limiter interface {
	// Allow counts one request of a client, who is an IPv4 address or an IPv6 network. With an error the request passes;
	// ErrLimiterDown says that the limiter is known to be away, and that it is not worth a line in the log.
	Allow(ctx context.Context, client string) (Allowance, error)
}

// ErrLimiterDown says that the limiter did not answer a moment ago and was not asked again.
var ErrLimiterDown = errors.New("api: the rate limiter is away")

// Allowance is a Limiter's answer.
type Allowance struct {
	Allowed   bool
	Limit     int           // requests a window
	Window    time.Duration // in which that many are refilled
	Remaining int           // requests that may follow at once
	Reset     time.Duration // until all Limit may follow at once
	Retry     time.Duration // until the next one may follow, when this one is not allowed
}

// client is whose request it is, as requests are counted.
func (x *exchange) client() string {
	forwarded := x.http.Request.Header.PeekAll("X-Forwarded-For")
	return bucket(clientAddr(remoteAddr(x.http.RemoteAddr()), forwarded, x.server.config.TrustedProxies))
}

// limit counts the request and tells the client where it stands. Without an answer of the limiter it passes.
func (x *exchange) limit() error {
	a, err := x.server.config.Limiter.Allow(x, x.client())
	if err != nil {
		x.server.metrics.limiterFailures.Inc()
		if !errors.Is(err, ErrLimiterDown) {
			x.logger().Warn("the rate limiter failed; requests pass", "error", err)
		}
		return nil
	}
	x.set("RateLimit-Policy", `"default";q=`+decimal(a.Limit)+`;w=`+decimal(seconds(a.Window)))
	x.set("RateLimit", `"default";r=`+decimal(a.Remaining)+`;t=`+decimal(seconds(a.Reset)))
	if a.Allowed {
		return nil
	}
	x.server.metrics.limited.Inc()
	return &problem{kind: kindTooMany, detail: "This client has used up its requests. Retry-After tells when the next one may come.", retry: max(1, seconds(a.Retry))}
}

// seconds rounds up.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
