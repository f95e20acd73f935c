package testnet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline/node"
	"example.org/hotline/ops/config"
)

// Node is one node of a party: a process that can be started, stopped, killed and frozen.
type Node struct {
	Name string
	Addr string // IP:port, as the directory has it
	Log  string // file to which the process writes its log

	party   *Party
	network *Network
	dir     string
	listen  string // IP:port of the process itself; Addr unless a relay stands before it
	config  string
	program []string // instead of the network's; nil: that
	env     []string // beside that of this process

	mu      sync.Mutex // guards running
	running *process   // nil: none
}

func newNode(w *Network, p *Party, name, addr string) *Node {
	dir := filepath.Join(p.dir, name)
	return &Node{Name: name, Addr: addr, listen: addr, Log: filepath.Join(dir, "log.txt"), party: p, network: w, dir: dir, config: filepath.Join(dir, "hotlined.toml")}
}

func (n *Node) keyDir() string { return filepath.Join(n.dir, "keys") }

func (n *Node) data() string { return filepath.Join(n.dir, "data") }

// process is one run of a node.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer     // its end tells the process to end
	up    chan struct{} // closed when the node accepts connections
	done  chan struct{} // closed when the process has ended; then err may be read
	err   error

	mu    sync.Mutex
	asked bool // its end was asked for
}

// Bounds of waiting for a process.
const (
	startLimit = 60 * time.Second
	stopLimit  = 15 * time.Second
	tailLines  = 12
)

// upLine is what a node writes to standard output when it accepts connections.
const upLine = "up"

// Start runs the node's process and waits until it accepts connections.
func (n *Node) Start(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.running != nil {
		return fmt.Errorf("node %s runs already", n.Name)
	}
	p, err := n.spawn()
	if err != nil {
		return fmt.Errorf("start node %s: %w", n.Name, err)
	}
	n.running = p
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case <-p.up:
		return nil
	case <-p.done:
		return n.ended(p)
	case <-limit.C:
		return fmt.Errorf("node %s is not up after %v; its log ends:\n%s", n.Name, startLimit, n.Tail())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (n *Node) spawn() (*process, error) {
	log, err := os.OpenFile(n.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	program := n.network.program
	if n.program != nil {
		program = n.program
	}
	cmd := exec.Command(program[0], append(slices.Clone(program[1:]), n.config)...)
	cmd.Env = append(os.Environ(), n.env...)
	cmd.Stderr = log
	tie(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := n.network.spawner.do(cmd.Start); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, stdin: stdin, up: make(chan struct{}), done: make(chan struct{})}
	go n.attend(p, stdout) // ends with the process, for which Stop and Close wait
	return p, nil
}

// attend reads what the process says and waits for its end.
func (n *Node) attend(p *process, stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	for said := false; lines.Scan(); {
		if lines.Text() == upLine && !said {
			said = true
			close(p.up)
		}
	}
	p.err = p.cmd.Wait()
	p.mu.Lock()
	asked := p.asked
	p.mu.Unlock()
	close(p.done)
	if !asked {
		n.network.fail(n.ended(p))
	}
}

// ended says how the process ended, with the end of its log.
func (n *Node) ended(p *process) error {
	why := "without an error"
	if p.err != nil {
		why = p.err.Error()
	}
	return fmt.Errorf("node %s ended (%s); its log ends:\n%s", n.Name, why, n.Tail())
}

// quit ends every node as Node.quit does.
func (w *Network) quit() error {
	var errs []error
	for _, p := range w.Parties {
		for _, n := range p.Nodes {
			errs = append(errs, n.quit())
		}
	}
	return errors.Join(errs...)
}

// Tails returns the last lines of the log of every node that runs.
func (w *Network) Tails() string {
	var b strings.Builder
	for _, p := range w.Parties {
		for _, n := range p.Nodes {
			if n.PID() != 0 {
				fmt.Fprintf(&b, "the log of node %s ends:\n%s\n\n", n.Name, n.Tail())
			}
		}
	}
	return b.String()
}

// Tail returns the last lines of the node's log.
func (n *Node) Tail() string {
	b, err := os.ReadFile(n.Log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}

// PID is the process id, 0 while the node does not run.
func (n *Node) PID() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.running == nil {
		return 0
	}
	return n.running.cmd.Process.Pid
}

// Stop asks the node to end and waits until it has: leadership is handed over and files are closed. A node that has not ended within
// stopLimit is killed, and the error says so. Stopping a node that does not run does nothing.
func (n *Node) Stop() error {
	return n.end(func(p *process) error {
		_ = p.cmd.Process.Signal(syscall.SIGCONT) // it may be frozen
		return errors.Join(p.stdin.Close(), p.cmd.Process.Signal(syscall.SIGTERM))
	})
}

// Kill ends the process as a power cut would (SIGKILL), and waits until it is gone.
func (n *Node) Kill() error {
	return n.end(func(p *process) error { return p.cmd.Process.Kill() })
}

// quit ends the process and has it write to its log what each of its goroutines was doing.
func (n *Node) quit() error {
	return n.end(func(p *process) error {
		_ = p.cmd.Process.Signal(syscall.SIGCONT) // it may be frozen
		return p.cmd.Process.Signal(syscall.SIGQUIT)
	})
}

func (n *Node) end(ask func(*process) error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.running
	if p == nil {
		return nil
	}
	n.running = nil
	p.mu.Lock()
	p.asked = true
	p.mu.Unlock()
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := ask(p); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end node %s: %w", n.Name, err)
	}
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	select {
	case <-p.done:
		return nil
	case <-limit.C:
	}
	err := p.cmd.Process.Kill()
	<-p.done
	return errors.Join(err, fmt.Errorf("node %s did not end within %v and was killed; its log ends:\n%s", n.Name, stopLimit, n.Tail()))
}

// Freeze stops the process in its tracks (SIGSTOP): its connections stay, and it answers nothing.
func (n *Node) Freeze() error { return n.signal(syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (n *Node) Thaw() error { return n.signal(syscall.SIGCONT) }

func (n *Node) signal(s syscall.Signal) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.running == nil {
		return fmt.Errorf("node %s does not run", n.Name)
	}
	return n.running.cmd.Process.Signal(s)
}

// spawner starts processes from one thread that lives as long as the network. Linux ties the end of a child to the end of the thread
// that started it, and the threads of a Go program come and go.
type spawner struct {
	work chan func()
	done chan struct{}
}

func newSpawner() *spawner {
	s := &spawner{work: make(chan func()), done: make(chan struct{})}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		defer close(s.done)
		for f := range s.work {
			f()
		}
	}()
	return s
}

func (s *spawner) do(start func() error) (err error) {
	finished := make(chan struct{})
	s.work <- func() {
		defer close(finished)
		err = start()
	}
	<-finished
	return err
}

func (s *spawner) close() {
	close(s.work)
	<-s.done
}

// RunNode is the process of one node: it runs the node that the file at path configures until standard input ends, which it does when
// the process that started it has gone, or until it is told to end. It does what hotlined run does, without systemd and metrics.
func RunNode(path string) error {
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	pass, err := keys.Passphrase(cfg.Keys.Passphrase, nil)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	node.TuneMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	n, err := node.Open(cfg, node.Options{Passphrase: pass, Logger: log, Fatal: func(err error) {
		log.Error("the process must stop", "why", err)
		os.Exit(1)
	}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with standard input or with the process
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	fmt.Println(upLine)
	<-ctx.Done()
	return n.Close()
}
