package page

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// command runs a program of the party, without a shell, and gives it the JSON of a page on its standard input. A page is
// delivered when the program ends with 0. Its whole process group is killed at the end of the attempt, so that nothing that it
// started holds the attempt, or outlives it.
type command struct{ argv []string }

// killWait is how long the end of a killed program is waited for.
const killWait = time.Second

// commandPath is all that the program gets as its environment: no secret of the daemon's is passed on.
var commandPath = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}

func (c *command) Lasting() (bool, time.Duration) { return false, 0 }

func (c *command) Send(ctx context.Context, n *Notice) error {
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = commandPath, "/", killWait
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdin = bytes.NewReader(append(n.JSON(), '\n'))
	killGroup := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = killGroup
	if err := cmd.Start(); err != nil {
		return err
	}
	err := cmd.Wait()
	_ = killGroup() // what the program left behind; usually nothing is there any more
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit):
		return fmt.Errorf("%s ended with %s", c.argv[0], exit.ProcessState)
	}
	return err
}
