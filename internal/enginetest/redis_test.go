package enginetest_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"chat-system/internal/enginetest"
)

func TestRedisKeepsItsDataOverAKillOnTheSamePort(t *testing.T) {
	t.Parallel()
	r := enginetest.Redis(t)
	client := redis.NewClient(&redis.Options{Addr: r.Addr})
	t.Cleanup(func() { _ = client.Close() })
	if err := client.Set(t.Context(), "key", "kept", 0).Err(); err != nil {
		t.Fatal(err)
	}
	r.Kill()
	if err := client.Get(t.Context(), "key").Err(); err == nil {
		t.Fatal("a killed Redis answers")
	}
	r.Start()
	if got := client.Get(t.Context(), "key").Val(); got != "kept" {
		t.Fatalf("after the restart the key holds %q", got)
	}
	settings := map[string]string{"appendonly": "yes", "appendfsync": "always", "save": "", "maxmemory-policy": "noeviction"}
	for name, want := range settings {
		if got := client.ConfigGet(t.Context(), name).Val()[name]; got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
}

func TestFlagsOverride(t *testing.T) {
	t.Parallel()
	r := enginetest.Redis(t, "--maxmemory", "64mb", "--appendfsync", "everysec")
	client := redis.NewClient(&redis.Options{Addr: r.Addr})
	t.Cleanup(func() { _ = client.Close() })
	for name, want := range map[string]string{"maxmemory": "67108864", "appendfsync": "everysec"} {
		if got := client.ConfigGet(t.Context(), name).Val()[name]; got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
}

func TestAPausedRedisAnswersNothingUntilItIsResumed(t *testing.T) {
	t.Parallel()
	r := enginetest.Redis(t)
	client := redis.NewClient(&redis.Options{Addr: r.Addr})
	hasty := redis.NewClient(&redis.Options{Addr: r.Addr, ReadTimeout: 50e6, MaxRetries: -1})
	t.Cleanup(func() { _, _ = client.Close(), hasty.Close() })
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	r.Pause()
	if err := hasty.Ping(t.Context()).Err(); err == nil {
		t.Fatal("a paused Redis answers")
	}
	r.Resume()
	r.Pause()
	r.Stop() // a paused process obeys as well
	r.Start()
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}
