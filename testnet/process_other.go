//go:build !linux

package testnet

import (
	"os/exec"
	"syscall"
)

// tie gives the process a group of its own, so that Ctrl-C at the terminal reaches the testnet alone. When the testnet is gone, the
// end of standard input tells the process.
func tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
