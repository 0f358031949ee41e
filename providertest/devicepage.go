package providertest

import (
	"crypto/subtle"
	"net/http"
)

// devicePage is where a person enters the code of a device (RFC 8628 section 3.3).
func (s *Server) devicePage(c *Call) *Answer {
	c.Record.Outcome = Asked
	return s.page(http.StatusOK, "device", map[string]string{"Code": c.Get("user_code")})
}

// decideDevice is its form: code, name, password and decision at once.
func (s *Server) decideDevice(c *Call) *Answer {
	page := map[string]string{"Code": c.Get("user_code")}
	s.mu.Lock()
	user, ok := s.user(c.Get("username"))
	s.mu.Unlock()
	if !ok || subtle.ConstantTimeCompare([]byte(user.Password), []byte(c.Get("password"))) != 1 {
		c.Record.Outcome, c.Record.Reason = Refused, "password"
		page["Problem"] = "Name or password is wrong."
		return s.page(http.StatusUnauthorized, "device", page)
	}
	c.Record.User = user.Name
	approve := c.Get("decision") == "accept"
	if err := s.DecideDevice(c.Get("user_code"), user.Name, approve); err != nil {
		c.Record.Outcome, c.Record.Reason = Refused, "user_code"
		page["Problem"] = "This code is wrong, was used, or has expired."
		return s.page(http.StatusBadRequest, "device", page)
	}
	c.Record.Outcome = Declined
	if approve {
		c.Record.Outcome = Approved
	}
	return s.page(http.StatusOK, "device_done", nil)
}
