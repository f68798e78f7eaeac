package queue

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	dialTimeout  = 2 * time.Second // of an attempt; a Cluster's client makes up to four
	readTimeout  = 3 * time.Second
	writeTimeout = 3 * time.Second
	poolTimeout  = 2 * time.Second

	quorumTimeout = 2 * time.Second // below readTimeout: that too few replicas have a write is an answer
	poolSize      = 32
)

// Client is a connection pool to one Redis, a Sentinel's master or a Cluster.
type Client struct {
	rdb      redis.UniversalClient
	conns    *connections
	nodes    int // lanes to be made, one for each node
	embedded bool
	mode     atomic.Value // of durability, as it was found last
}

// Connect makes a client; it dials when it is first used. The address is go-redis' own: redis:// or rediss:// with one
// host; with master_name=… in the query, that master by its Sentinels; with addr=host:port, once or more, a Cluster.
// onConnect is called after each new connection.
func Connect(address string, onConnect func()) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("queue: REDIS_URL is no URL") // not its text: it holds the password
	}
	c := &Client{conns: newConnections(), nodes: 1}
	hook := func(context.Context, *redis.Conn) error {
		onConnect()
		return nil
	}
	noPush := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch q := u.Query(); {
	case q.Has("master_name"):
		o, err := redis.ParseFailoverURL(address)
		if err != nil {
			return nil, fmt.Errorf("queue: REDIS_URL: %w", err)
		}
		o.MaxRetries, o.DialerRetries, o.Protocol, o.DisableIdentity, o.OnConnect = -1, 1, 2, true, hook
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout, o.PoolSize = dialTimeout, readTimeout, writeTimeout, poolTimeout, poolSize
		o.Dialer = c.conns.dialer(&redis.Options{DialTimeout: dialTimeout, TLSConfig: o.TLSConfig})
		c.rdb = redis.NewFailoverClient(o)
	case q.Has("addr"):
		o, err := redis.ParseClusterURL(address)
		if err != nil {
			return nil, fmt.Errorf("queue: REDIS_URL: %w", err)
		}
		o.MaxRetries, o.DialerRetries, o.Protocol, o.DisableIdentity, o.OnConnect, o.MaintNotificationsConfig = -1, 1, 2, true, hook, noPush
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout, o.PoolSize = dialTimeout, readTimeout, writeTimeout, poolTimeout, poolSize
		o.Dialer = c.conns.dialer(&redis.Options{DialTimeout: dialTimeout, TLSConfig: o.TLSConfig})
		c.rdb, c.nodes = redis.NewClusterClient(o), len(o.Addrs)
	default:
		o, err := redis.ParseURL(address)
		if err != nil {
			return nil, fmt.Errorf("queue: REDIS_URL: %w", err)
		}
		o.MaxRetries, o.DialerRetries, o.Protocol, o.DisableIdentity, o.OnConnect, o.MaintNotificationsConfig = -1, 1, 2, true, hook, noPush
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout, o.PoolSize = dialTimeout, readTimeout, writeTimeout, poolTimeout, poolSize
		o.Dialer = c.conns.dialer(&redis.Options{DialTimeout: dialTimeout, TLSConfig: o.TLSConfig, Network: o.Network})
		c.rdb = redis.NewClient(o)
	}
	return c, nil
}

// ConnectEmbedded makes a client of a Redis in this process.
func ConnectEmbedded(dial func() (net.Conn, error)) *Client {
	c := &Client{conns: newConnections(), nodes: 1, embedded: true}
	c.rdb = redis.NewClient(&redis.Options{
		Addr: "embedded", MaxRetries: -1, Protocol: 2, DisableIdentity: true, PoolSize: 8,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		Dialer:                   func(context.Context, string, string) (net.Conn, error) { return dial() },
	})
	return c
}

// Redis is the client itself, for what is not the queue's: rate limits.
func (c *Client) Redis() redis.UniversalClient { return c.rdb }

// Cluster says whether it is a Redis Cluster, whose replicas can't be waited for on the connection of a write.
func (c *Client) Cluster() bool {
	_, ok := c.rdb.(*redis.ClusterClient)
	return ok
}

// Ping asks whether Redis answers.
func (c *Client) Ping(ctx context.Context) error { return c.rdb.Ping(ctx).Err() }

// Close closes the pool.
func (c *Client) Close() error { return c.rdb.Close() }

// connections knows the open connections, so that those to a superseded master can be closed.
type connections struct {
	mu   sync.Mutex
	open map[*connection]struct{}
}

type connection struct {
	net.Conn
	of *connections
}

// socket lets the pool see that its peer has closed it, before it is used for a write whose outcome were unknown then.
type socket struct {
	*connection
	syscall.Conn
}

func newConnections() *connections { return &connections{open: map[*connection]struct{}{}} }

func (cs *connections) dialer(o *redis.Options) func(context.Context, string, string) (net.Conn, error) {
	dial := redis.NewDialer(o)
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		c := &connection{conn, cs}
		cs.mu.Lock()
		defer cs.mu.Unlock()
		cs.open[c] = struct{}{}
		if raw, ok := conn.(syscall.Conn); ok {
			return &socket{c, raw}, nil
		}
		return c, nil
	}
}

// Close closes the connection and forgets it.
func (c *connection) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

func (cs *connections) closeAll() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c := range cs.open {
		_ = c.Conn.Close() // the pool notices at the next use
	}
	clear(cs.open)
}
