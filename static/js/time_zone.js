// Tells the server the browser's time zone (generations/web/middleware/time_zone.py).

const COOKIE = "time_zone";
const ONE_YEAR_SECONDS = 31_536_000;

const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
const pair = `${COOKIE}=${timeZone}`;
// Only names of the time zone database: offsets such as "+01:00" are of no use to the server.
if (/^[A-Za-z][\w+/-]*$/.test(timeZone ?? "") && !document.cookie.split("; ").includes(pair)) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${pair}; Path=/; Max-Age=${ONE_YEAR_SECONDS}; SameSite=Lax${secure}`;
}
