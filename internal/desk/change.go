package desk

import (
	"net/http"
	"slices"

	"github.com/keybearer/keybearer"
)

// disconnectPage asks whether that is meant.
func (d *Desk) disconnectPage(w http.ResponseWriter, r *http.Request) {
	if c := d.connection(w, r); c != nil {
		d.views.render(w, http.StatusOK, "disconnect", c)
	}
}

func (d *Desk) disconnect(w http.ResponseWriter, r *http.Request) {
	c := d.connection(w, r)
	if c == nil {
		return
	}
	if err := d.cfg.Home.Disconnect(r.Context(), c.ID); err != nil {
		d.failed(w, r, err)
		return
	}
	d.say(c.Title() + " is disconnected.")
	d.seeOther(w, "/")
}

func (d *Desk) makeDefault(w http.ResponseWriter, r *http.Request) {
	c := d.connection(w, r)
	if c == nil {
		return
	}
	if err := d.cfg.Home.SetDefault(r.Context(), c.Ref); err != nil {
		d.failed(w, r, err)
		return
	}
	d.say(c.Title() + " is what agents use now where they name no connection.")
	d.seeOther(w, "/")
}

// connection finds the connection that the address names, or answers that it is gone.
func (d *Desk) connection(w http.ResponseWriter, r *http.Request) *Connection {
	all, err := d.cfg.Home.Connections(r.Context())
	if err != nil {
		d.failed(w, r, err)
		return nil
	}
	i := slices.IndexFunc(all, func(c Connection) bool { return c.ID == keybearer.ConnectionID(r.PathValue("id")) })
	if i < 0 {
		d.fail(w, failure{
			status: http.StatusNotFound, title: "This connection is gone",
			happened: "It is not among yours any more: it may have been removed in another window, or at a terminal.",
			next:     "Go back, and look at what is there now.",
		})
		return nil
	}
	return &all[i]
}
