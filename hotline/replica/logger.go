package replica

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// raftLogger gives Raft's log lines to slog. Raft speaks hclog.
type raftLogger struct {
	to   *slog.Logger
	name string
	args []any
}

var _ hclog.Logger = (*raftLogger)(nil)

func newRaftLogger(to *slog.Logger, name string) *raftLogger {
	return &raftLogger{to: to.With("component", name), name: name}
}

func slogLevel(level hclog.Level) slog.Level {
	switch level {
	case hclog.Trace:
		return slog.LevelDebug - 4
	case hclog.Debug:
		return slog.LevelDebug
	case hclog.Warn:
		return slog.LevelWarn
	case hclog.Error:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// plain writes out hclog's own argument types, which slog does not know.
func plain(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		switch v := a.(type) {
		case hclog.Format:
			if len(v) > 0 {
				out[i] = fmt.Sprintf(fmt.Sprint(v[0]), v[1:]...)
			}
		case hclog.Hex:
			out[i] = fmt.Sprintf("%#x", int(v))
		case hclog.Octal:
			out[i] = fmt.Sprintf("%#o", int(v))
		case hclog.Binary:
			out[i] = fmt.Sprintf("%#b", int(v))
		default:
			out[i] = a
		}
	}
	return out
}

func (l *raftLogger) Log(level hclog.Level, msg string, args ...any) {
	if at := slogLevel(level); l.to.Enabled(context.Background(), at) {
		l.to.Log(context.Background(), at, msg, plain(args)...)
	}
}

func (l *raftLogger) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }
func (l *raftLogger) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }
func (l *raftLogger) Info(msg string, args ...any)  { l.Log(hclog.Info, msg, args...) }
func (l *raftLogger) Warn(msg string, args ...any)  { l.Log(hclog.Warn, msg, args...) }
func (l *raftLogger) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }

func (l *raftLogger) enabled(level hclog.Level) bool {
	return l.to.Enabled(context.Background(), slogLevel(level))
}

func (l *raftLogger) IsTrace() bool { return l.enabled(hclog.Trace) }
func (l *raftLogger) IsDebug() bool { return l.enabled(hclog.Debug) }
func (l *raftLogger) IsInfo() bool  { return l.enabled(hclog.Info) }
func (l *raftLogger) IsWarn() bool  { return l.enabled(hclog.Warn) }
func (l *raftLogger) IsError() bool { return l.enabled(hclog.Error) }

func (l *raftLogger) ImpliedArgs() []any { return l.args }
func (l *raftLogger) Name() string       { return l.name }

func (l *raftLogger) With(args ...any) hclog.Logger {
	all := append(append([]any(nil), l.args...), args...)
	return &raftLogger{to: l.to.With(plain(args)...), name: l.name, args: all}
}

func (l *raftLogger) Named(name string) hclog.Logger {
	return &raftLogger{to: l.to.With("part", name), name: l.name + "." + name, args: l.args}
}

func (l *raftLogger) ResetNamed(name string) hclog.Logger { return l.Named(name) }

// SetLevel does nothing: the slog handler alone decides what is shown.
func (l *raftLogger) SetLevel(hclog.Level) {}

func (l *raftLogger) GetLevel() hclog.Level {
	for _, level := range []hclog.Level{hclog.Trace, hclog.Debug, hclog.Info, hclog.Warn} {
		if l.enabled(level) {
			return level
		}
	}
	return hclog.Error
}

func (l *raftLogger) StandardLogger(opts *hclog.StandardLoggerOptions) *log.Logger {
	return log.New(l.StandardWriter(opts), "", 0)
}

func (l *raftLogger) StandardWriter(*hclog.StandardLoggerOptions) io.Writer {
	return slog.NewLogLogger(l.to.Handler(), slog.LevelInfo).Writer()
}
