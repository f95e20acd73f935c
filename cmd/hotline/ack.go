package main

import (
	"context"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline"
	"example.org/hotline/hotline/desk"
)

// newAckCmd signs that a person has a statement.
func newAckCmd(a *app) *cobra.Command {
	var note, language string
	cmd := &cobra.Command{
		Use:   "ack ID",
		Short: "Acknowledge a received statement: a person, you, has it",
		Long:  "An acknowledgement says that you have the statement. It never means agreement or admission.",
		Args:  cobra.ExactArgs(1),
	}
	cmd.PreRunE = namesOne
	cmd.Flags().StringVar(&note, "note", "", "words to the sender")
	cmd.Flags().StringVar(&language, "language", "", "language of the note, as en or fr-CA")
	cmd.RunE = a.atDesk(func(ctx context.Context, s *seat, args []string) error {
		v, st, err := s.find(ctx, args[0])
		if err != nil {
			return err
		}
		if v.Item.Direction != desk.Received || v.Item.Code != "" {
			return refused(hotline.CodeNotOwed, "see hotline inbox", "%s %s is not an accepted statement of another party", st.Header.Kind, st.ID.Short())
		}
		h := &st.Header
		raw, err := s.compose(ctx, &letter{kind: hotline.KindAcknowledgement, status: h.Status, precedence: h.Precedence, tlp: h.TLP,
			to: []hotline.Party{h.From}, in: st.InCase(), re: &st.ID, body: &hotline.Note{Language: language, Text: note}})
		if err != nil {
			return err
		}
		return s.file(ctx, raw, "")
	})
	return cmd
}
