import { render } from 'preact';
import './style.css';

const root = document.getElementById('root');
if (root !== null) render(<main>Plimsoll</main>, root);
