// For `node --import`: a wall clock that steps, each 50 ms of true time to another place within CLOCK_HOURS of it.
const reach = Number(process.env.CLOCK_HOURS) * 3_600_000;
const now = Date.now;
let offset = 0;
setInterval(() => {
  offset = Math.round((Math.random() * 2 - 1) * reach);
}, 50).unref();
Date.now = () => now() + offset;
