// Has words come back over the WebSocket that Node has built in: node websocket.mjs URL

const words = ['one', 'two', 'x'.repeat(70000)];
const socket = new WebSocket(process.argv[2]);
socket.onopen = () => socket.send(words[0]);
socket.onerror = (problem) => {
  console.error(problem.message, problem.error);
  process.exitCode = 1;
};
socket.onmessage = ({ data }) => {
  if (data !== words.shift()) throw new Error('another word came back');
  if (words.length > 0) {
    socket.send(words[0]);
  } else {
    console.log('echoed');
    socket.close();
  }
};
