package hotlinetest

import (
	"context"
	"log/slog"
)

// JammedLog takes no line that tells of an error until Free is closed: what stalls a disk
// may stall the log.
type JammedLog struct {
	slog.Handler
	Free chan struct{}
}

// WithAttrs makes JammedLog a slog.Handler, as do the others.
func (j *JammedLog) WithAttrs([]slog.Attr) slog.Handler { return j }

// Enabled lets what is no error pass unseen.
func (j *JammedLog) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }

// Handle waits.
func (j *JammedLog) Handle(context.Context, slog.Record) error { <-j.Free; return nil }
