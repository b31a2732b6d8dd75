"""When instruments are traded: calendars of exchanges, schedules and hours that the gateway told, files of a person."""
