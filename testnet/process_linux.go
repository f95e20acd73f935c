package testnet

import (
	"os/exec"
	"syscall"
)

// tie gives the process a group of its own, so that Ctrl-C at the terminal reaches the testnet alone, which then ends its nodes in
// order; and has the kernel kill it when the testnet is gone, even if it is frozen.
func tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
