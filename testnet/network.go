// Package testnet makes networks of parties for demonstrations and tests: every node is a process of its own on loopback, with keys,
// documents and configuration as an operator would have them, and every officer acts through the desk protocol with their own key.
// Nothing here reaches into a node.
package testnet

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pelletier/go-toml/v2"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/hotline/node"
	"example.org/hotline/ops/ceremony"
	"example.org/hotline/ops/config"
	"example.org/hotline/ops/sensor"
)

// MaxParties bounds a network: codes are XA to XZ, and every node is a process.
const MaxParties = 26

// Passphrase opens every key file of a network. It guards nothing: the keys are made for one network that only this machine reaches.
const Passphrase = "only for a test network"

// Options say which network to make.
type Options struct {
	// Dir holds everything that belongs to the network. It must be empty or not exist.
	Dir string
	// Parties is the number of parties, 2 to MaxParties; Nodes that of the nodes of each: 1, 3 or 5.
	Parties, Nodes int
	// Terms are the convention's.
	Terms hotline.Terms
	// Territory is the first party's list of networks, in CIDR notation; the others have none.
	Territory []string
	// Program runs one node: it is called with the path of a configuration file after these arguments, and must call RunNode. Empty:
	// this executable with the argument "node".
	Program []string
	// Relay puts every node behind a relay of this process, so that what goes from one node to another can be cut: see Network.Cut.
	Relay bool
	// Tune changes the configuration of each node before it is written; nil: nothing is changed.
	Tune func(*config.Config)
	// Age is how long before now convention, directories and officers' keys came into force; 0: a minute.
	Age time.Duration
}

// Network is a set of parties under one convention. Close must be called.
type Network struct {
	Dir       string
	Parties   []*Party
	Documents *ceremony.Documents

	passphraseFile string
	program        []string
	tune           func(*config.Config)
	relays         *relays // nil: none
	spawner        *spawner
	failed         chan error // the first process that ended unasked
	closing        sync.Once
}

// Party is one party: its nodes and its officers.
type Party struct {
	Code     hotline.Party
	Nodes    []*Node
	Officers []*Officer

	dir       string
	territory []string
	root      *keys.Private
}

// posts are the officers that every party has, by the part of their role name after the party's code.
var posts = []struct {
	name string
	role hotline.Role
}{
	{"A1", hotline.Authority}, {"L1", hotline.Liaison}, {"L2", hotline.Liaison}, {"O1", hotline.Operator},
	{"R1", hotline.Releaser}, {"T1", hotline.Technician}, {"U1", hotline.Auditor},
}

// New makes keys, a convention that every party signs, a directory for each, and the configuration of every node. No process runs yet.
func New(opt Options) (*Network, error) {
	if opt.Parties < 2 || opt.Parties > MaxParties {
		return nil, fmt.Errorf("%d parties: choose 2 to %d", opt.Parties, MaxParties)
	}
	if !slices.Contains([]int{1, 3, 5}, opt.Nodes) {
		return nil, fmt.Errorf("%d nodes a party: choose 1, 3 or 5", opt.Nodes)
	}
	if _, err := sensor.NewPrefixes(opt.Territory); err != nil {
		return nil, err
	}
	dir, err := emptyDir(opt.Dir)
	if err != nil {
		return nil, err
	}
	w := &Network{Dir: dir, Documents: &ceremony.Documents{}, passphraseFile: filepath.Join(dir, "passphrase"), program: opt.Program,
		tune: opt.Tune, failed: make(chan error, 1)}
	if len(w.program) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("this program cannot find itself, to run it as a node: %w", err)
		}
		w.program = []string{self, "node"}
	}
	if err := os.WriteFile(w.passphraseFile, []byte(Passphrase+"\n"), 0o600); err != nil {
		return nil, err
	}
	if opt.Relay {
		w.relays = newRelays()
	}
	if err := w.makeParties(opt); err != nil {
		return nil, errors.Join(err, w.relays.close())
	}
	w.spawner = newSpawner()
	return w, nil
}

// makeParties makes every party, and then the documents that all of them sign.
func (w *Network) makeParties(opt Options) error {
	ports, err := freePorts(opt.Parties * opt.Nodes)
	if err != nil {
		return err
	}
	for i := range opt.Parties {
		p := &Party{Code: hotline.Party([]byte{'X', byte('A' + i)}), territory: []string{}}
		if i == 0 {
			p.territory = opt.Territory
		}
		if err := w.makeParty(p, ports[i*opt.Nodes:(i+1)*opt.Nodes]); err != nil {
			return fmt.Errorf("make party %s: %w", p.Code, err)
		}
		w.Parties = append(w.Parties, p)
	}
	return w.sign(opt.Terms, now()-hotline.Time(cmp.Or(opt.Age, backdated).Milliseconds()))
}

func emptyDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	list, err := os.ReadDir(dir)
	if err == nil && len(list) > 0 {
		err = fmt.Errorf("%s is not empty: name a directory that is, or that does not exist", dir)
	}
	return dir, err
}

// Ports of nodes lie below those that systems give to sockets that name none (32768 and up on Linux, 49152 and up elsewhere): a node that
// starts again must find its own still free. Each process takes them in turn from a block of its own, so that networks that are made at
// the same time, here or elsewhere, do not look for the same.
const (
	portsFrom  = 20000
	portBlocks = 40
	portBlock  = 300
)

var portsTaken atomic.Uint32

// freePorts finds UDP ports on loopback that nobody uses. Between here and the start of a node another program may take one all the same;
// the node then says so and the network does not come up.
func freePorts(n int) ([]string, error) {
	var list []string
	var last error
	for range portBlock {
		if len(list) == n {
			return list, nil
		}
		port := portsFrom + os.Getpid()%portBlocks*portBlock + int(portsTaken.Add(1)%portBlock)
		c, err := net.ListenUDP("udp", &net.UDPAddr{Port: port}) // on any address: whoever has the port has it on this one too
		if err != nil {
			last = err
			continue
		}
		defer c.Close() // only at the end: no port is found twice
		list = append(list, fmt.Sprintf("127.0.0.1:%d", port))
	}
	return nil, fmt.Errorf("no free udp port on loopback: %w", last)
}

// makeParty makes every key of a party and the places of its nodes and officers, as the ceremony would.
func (w *Network) makeParty(p *Party, addrs []string) error {
	p.dir = filepath.Join(w.Dir, string(p.Code))
	pass, cost := []byte(Passphrase), keys.TestnetCost()
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		return err
	}
	if _, _, err := ceremony.InitParty(p.dir, p.Code, pass, pass, cost); err != nil {
		return err
	}
	var err error
	if p.root, err = keys.Load(filepath.Join(p.dir, ceremony.RootKeyFile), keys.PurposeRoot, pass); err != nil {
		return err
	}
	for i, addr := range addrs {
		n := newNode(w, p, fmt.Sprintf("%s-%d", p.Code, i+1), addr)
		if w.relays != nil {
			if n.Addr, err = w.relays.add(n); err != nil {
				return err
			}
			addr = n.Addr
		}
		if _, err := ceremony.NewNode(n.keyDir(), n.Name, addr, filepath.Join(p.dir, ceremony.GroupDir), pass, cost); err != nil {
			return err
		}
		p.Nodes = append(p.Nodes, n)
	}
	for _, post := range posts {
		o := &Officer{Name: string(p.Code) + "-" + post.name, Role: post.role, Party: p}
		o.Home = filepath.Join(p.dir, o.Name)
		if _, err := ceremony.NewOfficer(o.Home, o.Name, keys.Ed25519, pass, cost); err != nil {
			return err
		}
		if o.key, err = keys.Load(filepath.Join(o.Home, o.Name+ceremony.KeyExt), keys.PurposeOfficer, pass); err != nil {
			return err
		}
		p.Officers = append(p.Officers, o)
	}
	return nil
}

// backdated is how far before now documents and officers' keys are valid where nobody says: so that a clock that is set back a little
// harms nothing.
const backdated = time.Minute

// sign has every party sign the convention and then its own directory, both in force from at on, and writes the settings of nodes and
// officers.
func (w *Network) sign(terms hotline.Terms, at hotline.Time) error {
	c := hotline.Convention{Name: "Convention on early warning, test network", ValidFrom: at, Overlap: time.Hour.Milliseconds(),
		Amend: hotline.Share{Num: 2, Den: 3}, Terms: terms, Witnesses: 7, Questions: DemoQuestions(), Always: []string{"health", "nuclear"}}
	for _, p := range w.Parties {
		c.Parties = append(c.Parties, hotline.Member{Party: p.Code, Root: p.root.Public()})
	}
	draft, err := ceremony.DraftConvention(c, nil, nil, at)
	if err != nil {
		return fmt.Errorf("convention: %w", err)
	}
	for _, p := range w.Parties {
		if err := ceremony.SignConvention(draft, p.root); err != nil {
			return fmt.Errorf("convention: %s: %w", p.Code, err)
		}
	}
	signed, err := draft.Finish(nil)
	if err != nil {
		return fmt.Errorf("convention: %w", err)
	}
	if err := w.Documents.Add(signed.Raw); err != nil {
		return err
	}
	for _, p := range w.Parties {
		if _, err := w.signDirectory(p, p.page(1), at); err != nil {
			return fmt.Errorf("directory of %s: %w", p.Code, err)
		}
	}
	if err := w.publish(filepath.Join(w.Dir, "documents")); err != nil {
		return err
	}
	for _, p := range w.Parties {
		if err := w.settle(p); err != nil {
			return err
		}
	}
	return nil
}

// page is what the party's directory of a number says.
func (p *Party) page(number uint64) *ceremony.Page {
	page := &ceremony.Page{Party: string(p.Code), Number: number, Group: filepath.Join(p.dir, ceremony.GroupDir)}
	for _, n := range p.Nodes {
		page.Nodes = append(page.Nodes, filepath.Join(n.keyDir(), n.Name+ceremony.PublicExt))
	}
	for _, o := range p.Officers {
		page.Officers = append(page.Officers, ceremony.PageOfficer{Key: filepath.Join(o.Home, o.Name+ceremony.PublicExt), Roles: []string{string(o.Role)}})
	}
	return page
}

// signDirectory has the party sign a page as of at, and adds it to the documents.
func (w *Network) signDirectory(p *Party, page *ceremony.Page, at hotline.Time) ([]byte, error) {
	d, err := ceremony.DraftDirectory(page, at)
	if err != nil {
		return nil, err
	}
	signed, err := ceremony.SignDirectory(d, w.Documents, p.root)
	if err != nil {
		return nil, err
	}
	return signed.Raw, w.Documents.Add(signed.Raw)
}

// publish writes every document to a directory.
func (w *Network) publish(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, raw := range w.Documents.Raw() {
		name, err := ceremony.DocumentName(raw)
		if err != nil {
			return err
		}
		if err := ceremony.WriteDocument(filepath.Join(dir, name), raw); err != nil {
			return err
		}
	}
	return nil
}

// settle writes the configuration of a party's nodes and the settings of its officers.
func (w *Network) settle(p *Party) error {
	for _, n := range p.Nodes {
		c := w.configOf(p, n)
		if len(p.Nodes) > 1 {
			if err := node.Found(c); err != nil {
				return err
			}
		}
		if err := writeTOML(n.config, c); err != nil {
			return err
		}
	}
	page := w.Documents.Directory(p.Code)
	for i, o := range p.Officers {
		o.documents = w.Documents
		for j := range page.Nodes {
			// Officers begin at different nodes, so that every node of a group serves desks.
			n := &page.Nodes[(i+j)%len(page.Nodes)]
			o.nodes = append(o.nodes, desk.Node{Name: n.Name, Addr: n.Addr, Key: n.Key})
		}
		if err := w.publish(filepath.Join(o.Home, "documents")); err != nil {
			return err
		}
		profile := struct {
			Party      string   `toml:"party"`
			Officer    string   `toml:"officer"`
			Key        string   `toml:"key"`
			Passphrase string   `toml:"passphrase"`
			Documents  string   `toml:"documents"`
			Convention string   `toml:"convention"`
			Prefixes   []string `toml:"prefixes"`
		}{string(p.Code), o.Name, o.Name + ceremony.KeyExt, "file:" + w.passphraseFile, "documents",
			w.Documents.Convention().ID.String(), p.territory}
		if err := writeTOML(filepath.Join(o.Home, "profile.toml"), profile); err != nil {
			return err
		}
	}
	return nil
}

// Nodes of one machine share its cores with those of all parties: a leader that is only slow is not replaced at once.
const patience = time.Second

func (w *Network) configOf(p *Party, n *Node) *config.Config {
	c := config.Default()
	c.Party, c.Node, c.Data, c.Listen = string(p.Code), n.Name, n.data(), n.listen
	c.Documents = filepath.Join(w.Dir, "documents")
	c.Keys = config.Keys{Dir: n.keyDir(), Passphrase: "file:" + w.passphraseFile}
	c.Group.Heartbeat, c.Group.Election = config.Duration{Duration: patience}, config.Duration{Duration: patience}
	if w.tune != nil {
		w.tune(c)
	}
	return c
}

func writeTOML(path string, v any) error {
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, b.Bytes(), 0o600)
}

// Party finds a party by its code; nil: there is none.
func (w *Network) Party(code hotline.Party) *Party {
	for _, p := range w.Parties {
		if p.Code == code {
			return p
		}
	}
	return nil
}

// Officer finds an officer by the part of the role name after the party's code, as "L1"; nil: there is none.
func (p *Party) Officer(post string) *Officer {
	for _, o := range p.Officers {
		if o.Name == string(p.Code)+"-"+post {
			return o
		}
	}
	return nil
}

// Start runs every node and waits until each accepts connections.
func (w *Network) Start(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make(chan error, len(w.Parties)*hotline.MaxNodes)
	for _, p := range w.Parties {
		for _, n := range p.Nodes {
			wg.Go(func() { errs <- n.Start(ctx) })
		}
	}
	wg.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// Failed yields the error of the first process that ended without being asked to.
func (w *Network) Failed() <-chan error { return w.failed }

func (w *Network) fail(err error) {
	select {
	case w.failed <- err:
	default: // the first is told already
	}
}

// whileUp runs f until it ends, or until a process of the network ends unasked: then ctx ends with that as its cause, and the error begins
// with it. Whoever waits for the node would wait in vain, and be told only that it does not answer.
func (w *Network) whileUp(ctx context.Context, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- f(ctx) }() // awaited below
	select {
	case err := <-done:
		select {
		case ended := <-w.failed: // at the very end
			return errors.Join(ended, err)
		default:
			return err
		}
	case ended := <-w.failed:
		cancel(ended)
		return errors.Join(ended, <-done)
	}
}

// Close ends every connection of the officers and every process, and waits for them. It leaves the directory as it is.
func (w *Network) Close() error {
	var errs []error
	w.closing.Do(func() {
		var wg sync.WaitGroup
		var mu sync.Mutex
		for _, p := range w.Parties {
			for _, o := range p.Officers {
				o.close()
			}
			for _, n := range p.Nodes {
				wg.Go(func() {
					err := n.Stop()
					mu.Lock()
					defer mu.Unlock()
					errs = append(errs, err)
				})
			}
		}
		wg.Wait()
		w.spawner.close()
		errs = append(errs, w.relays.close())
	})
	return errors.Join(errs...)
}

func now() hotline.Time { return hotline.Time(time.Now().UnixMilli()) }
