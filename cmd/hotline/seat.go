package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"example.org/hotline/crypto/keys"
	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
	"example.org/hotline/ops/ceremony"
)

// seat is an officer at the desk: the settings, the verified documents, the key, which never leaves this process, and a line to
// the group.
type seat struct {
	*app
	cmd     *cobra.Command
	profile *profile
	docs    *ceremony.Documents
	key     *keys.Private
	self    *hotline.Officer // as the newest own directory has it
	client  *desk.Client
}

// atDesk makes a verb that needs a seat. Interrupting the program ends ctx.
func (a *app) atDesk(run func(ctx context.Context, s *seat, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		parent := cmd.Context()
		if parent == nil {
			parent = context.Background()
		}
		ctx, stop := signal.NotifyContext(parent, syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		s, err := a.sit(ctx, cmd)
		if err != nil {
			return atDeskFailure(err)
		}
		defer s.client.Close()
		return atDeskFailure(run(ctx, s, args))
	}
}

// sit opens everything that a verb at the desk needs.
func (a *app) sit(ctx context.Context, cmd *cobra.Command) (*seat, error) {
	s := &seat{app: a, cmd: cmd}
	var err error
	if s.profile, err = loadProfile(a.home); err != nil {
		return nil, err
	}
	if s.docs, err = ceremony.LoadDocuments(s.profile.Documents, s.profile.pin); err != nil {
		return nil, err
	}
	page := s.docs.Directory(hotline.Party(s.profile.Party))
	if page == nil {
		return nil, refused(hotline.CodeNeed, "put the newest one there", "%s holds no directory of %s", s.profile.Documents, s.profile.Party)
	}
	source := s.profile.Passphrase
	if f := cmd.Flags().Lookup("passphrase"); f != nil && f.Changed {
		source = a.passphrase
	}
	pass, err := keys.Passphrase(source, a.secret)
	if err != nil {
		return nil, err
	}
	s.key, err = keys.Load(s.profile.Key, keys.PurposeOfficer, pass)
	clear(pass)
	if err != nil {
		return nil, err
	}
	var nodes []desk.Node
	for i := range page.Nodes {
		n := &page.Nodes[i]
		nodes = append(nodes, desk.Node{Name: n.Name, Addr: s.profile.addressOf(n), Key: n.Key})
	}
	if s.client, err = desk.Dial(ctx, s.key, nodes); err != nil {
		return nil, err
	}
	// A reporter is told nothing, newer documents included: those here have to do.
	if err = s.know(); err != nil || !s.self.Has(hotline.Reporter) {
		err = errors.Join(s.catchUp(ctx), s.know())
	}
	if err != nil {
		s.client.Close()
		return nil, err
	}
	return s, nil
}

// catchUp gets documents newer than those here from the group and verifies each before it is used or kept: the group may be
// behind, or worse, but it cannot make a directory.
func (s *seat) catchUp(ctx context.Context) error {
	req := &desk.DocumentsRequest{Convention: s.docs.Convention().Version}
	for _, p := range s.docs.Parties() {
		req.Have = append(req.Have, desk.Directory{Party: p, Number: s.docs.Directory(p).Number})
	}
	return s.client.Stream(ctx, &desk.Request{Documents: req}, func(r *desk.Reply) error {
		if r.Documents == nil {
			return fmt.Errorf("%w: no documents", desk.ErrAnswer)
		}
		for _, raw := range r.Documents.Raw {
			if err := s.learn(raw); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *seat) learn(raw []byte) error {
	if err := s.docs.Add(raw); err != nil {
		return fmt.Errorf("a document from the group does not fit those here: %w", err)
	}
	return s.keepDocument(raw)
}

// keepDocument writes a verified document to the directory of documents.
func (s *seat) keepDocument(raw []byte) error {
	name, err := ceremony.DocumentName(raw)
	if err != nil {
		return err
	}
	return ceremony.WriteDocument(filepath.Join(s.profile.Documents, name), raw)
}

// know finds the officer whom the key belongs to.
func (s *seat) know() error {
	page := s.page()
	s.self = page.Officer(s.key.Public().ID())
	if s.self == nil {
		return refused(hotline.CodeUnknownKey, "have the directory published that holds it", "directory %d of %s does not hold the key in %s",
			page.Number, page.Party, s.profile.Key)
	}
	if s.self.Name != s.profile.Officer {
		return refused(codeKey, "mend the settings", "the key in %s is that of %s, the settings say %s", s.profile.Key, s.self.Name, s.profile.Officer)
	}
	return nil
}

// page is the own directory in force.
func (s *seat) page() *hotline.SignedDirectory {
	return s.docs.Directory(hotline.Party(s.profile.Party))
}

// party is the own party.
func (s *seat) party() hotline.Party { return hotline.Party(s.profile.Party) }

// time is this machine's clock in the protocol's unit.
func (s *seat) time() hotline.Time { return hotline.Time(s.now().UnixMilli()) }

// convention is the version in force at t: the newest whose time has come, and version 1 from the beginning.
func (s *seat) convention(t hotline.Time) *hotline.SignedConvention {
	in := s.docs.Conventions[0]
	for _, c := range s.docs.Conventions {
		if c.ValidFrom <= t {
			in = c
		}
	}
	return in
}

// do asks the group.
func (s *seat) do(ctx context.Context, req *desk.Request) (*desk.Reply, error) {
	return s.client.Do(ctx, req)
}

// find gets one statement by its id or a unique beginning of it, and checks that it is what the node says.
func (s *seat) find(ctx context.Context, id string) (*desk.ShowView, *hotline.Statement, error) {
	if err := checkID(s.cmd, id); err != nil {
		return nil, nil, err
	}
	r, err := s.do(ctx, &desk.Request{Show: &desk.ShowRequest{ID: id}})
	if err != nil {
		return nil, nil, err
	}
	if r.Show == nil {
		return nil, nil, fmt.Errorf("%w: no statement", desk.ErrAnswer)
	}
	st, err := hotline.Parse(r.Show.Raw)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", desk.ErrAnswer, err)
	}
	if st.ID.String()[:len(id)] != id || st.ID != r.Show.Item.ID {
		return nil, nil, fmt.Errorf("%w: asked for %s, got %s", desk.ErrAnswer, id, st.ID)
	}
	return r.Show, st, nil
}

// findCase finds a case by the id of any of its statements, or by PARTY/ID as --json prints it. It returns the statement that was
// named and the case.
func (s *seat) findCase(ctx context.Context, name string) (*hotline.Statement, *hotline.CaseID, error) {
	_, st, err := s.find(ctx, caseDigits(name))
	if err != nil {
		return nil, nil, err
	}
	in := st.InCase()
	if in == nil {
		return nil, nil, refused(hotline.CodeCase, "name a detection or a statement that follows one", "%s %s belongs to no case", st.Header.Kind, st.ID.Short())
	}
	return st, in, nil
}

// body decodes what the statement says: its open payload, or the sealed body that the group opened, checked against the author's
// commitment. Nil without error: it is sealed and was not shown; why says why.
func body(st *hotline.Statement, opened, blind []byte) (hotline.Body, error) {
	if !st.Header.Kind.Rules().Sealed {
		return st.OpenBody()
	}
	if len(blind) != len([32]byte{}) {
		return nil, nil
	}
	return st.Disclose([32]byte(blind), opened)
}
